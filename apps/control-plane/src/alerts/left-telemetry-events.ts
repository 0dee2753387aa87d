import { Retry } from '../delivery/retry.js';

const MAX_WAIT_MS = 60_000;

/** A host of which something was left, and how far beyond that its entries were read. */
interface Left {
  readTo: string;
  readonly retry: Retry;
  /** When to begin anew; absent while not all behind it was read. */
  againAtMs?: number;
}

/**
 * Hosts whose telemetry events could not be stored. What lies behind them is read on from where the last look ended; they
 * themselves are read again after pauses that grow.
 */
export class LeftTelemetryEvents {
  readonly #hosts = new Map<string, Left>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** Whether there are any. */
  get some(): boolean {
    return this.#hosts.size > 0;
  }

  /** After which entry to read on; undefined: from the beginning, with what was left. */
  readTo(nodeId: string): string | undefined {
    const left = this.#hosts.get(nodeId);
    return left && !this.#isOver(left) ? left.readTo : undefined;
  }

  /** Its telemetry events could not be stored, or not this time either; entries were read up to this one. */
  failed(nodeId: string, readTo: string): void {
    const { retry } = this.#hosts.get(nodeId) ?? { retry: new Retry(Math.random, MAX_WAIT_MS) };
    retry.failed();
    this.#hosts.set(nodeId, { readTo, retry });
  }

  /** Entries behind what was left were read up to this one. */
  passed(nodeId: string, readTo: string): void {
    const left = this.#hosts.get(nodeId);
    if (left) left.readTo = readTo;
  }

  /** All behind what was left was read: only now the pause begins, so that what is slow to read is read too. */
  pause(nodeId: string): void {
    const left = this.#hosts.get(nodeId);
    if (left) left.againAtMs ??= this.nowMs() + left.retry.delayMs;
  }

  /** Nothing is left of this host. */
  end(nodeId: string): void {
    this.#hosts.delete(nodeId);
  }

  /** Hosts whose pause is over. */
  due(): readonly string[] {
    return [...this.#hosts].filter(([, left]) => this.#isOver(left)).map(([nodeId]) => nodeId);
  }

  #isOver({ againAtMs }: Left): boolean {
    return againAtMs !== undefined && againAtMs <= this.nowMs();
  }
}
