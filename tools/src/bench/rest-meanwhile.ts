import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';

const PAUSE_MS = 20;

/** Milliseconds of each answer, in order, and how many were not what was asked for. */
export interface Waits {
  readonly ms: readonly number[];
  readonly refused: number;
}

/** Asks for the first page of hosts, one request after another, until `work` has ended. */
export async function restMeanwhile<T>(
  controlPlane: ControlPlane,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly waits: Waits }> {
  const ended = new AbortController();
  const asking = ask(controlPlane, ended.signal);
  const result = await work().finally(() => ended.abort());
  return { result, waits: await asking };
}

async function ask(controlPlane: ControlPlane, ended: AbortSignal): Promise<Waits> {
  const ms: number[] = [];
  let refused = 0;
  while (!ended.aborted) {
    const started = performance.now();
    const call = { query: { limit: '100' }, patienceMs: 0 };
    const isAnswered = await controlPlane.answer('/v1/nodes', call).then(
      ({ status }) => status === 200,
      () => false,
    );
    ms.push(performance.now() - started);
    if (!isAnswered) refused += 1;
    await delay(PAUSE_MS);
  }
  return { ms, refused };
}
