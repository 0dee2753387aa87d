import type { ApiTokenView } from '#contracts';
import type { Context } from '../../../apps/cli/src/client/context.js';
import { ControlPlane, type Call } from '../../../apps/cli/src/client/control-plane.js';
import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';
import { median, percentile } from '../../../apps/cli/src/sim/samples.js';

const AIM_RATIO = 1.2;
const WARM_UP = 50;
const TOKEN_TTL_MS = 3_600_000;

/** Where the same routes are served with guard and audit log, and where without. */
export interface RestTargets {
  readonly context: Context;
  readonly unguardedUrl: string;
  /** A host that is enrolled. */
  readonly node: string;
}

interface Question {
  readonly what: string;
  readonly path: string;
  readonly call: (n: number) => Call;
}

/**
 * Latency of a read (which roles concern) and of a write (roles and audit log), asked in turn of the control plane and of
 * a replica of it on the same etcd and Redis in which everybody may do everything and nothing is recorded in the audit log.
 */
export async function restCase(
  report: BenchReport,
  { context, unguardedUrl, node }: RestTargets,
  requests: number,
  signal: AbortSignal,
): Promise<void> {
  const guarded = new ControlPlane({ ...context, token: await apiToken(context) });
  const unguarded = new ControlPlane({ ...context, url: unguardedUrl });
  const rows: Measurement[] = [];
  try {
    for (const question of questions(node)) {
      const times = await inTurn(question, [guarded, unguarded], { requests, signal });
      const { on, off } = { on: times[0] ?? [], off: times[1] ?? [] };
      rows.push(
        row(`${question.what}, p50`, median(on), median(off)),
        row(`${question.what}, p99`, percentile(on, 99), percentile(off, 99)),
      );
      report.ratio(
        `${question.what}, p50, with against without`,
        median(on) / median(off),
        AIM_RATIO,
      );
    }
  } finally {
    guarded.close();
    unguarded.close();
  }
  report.case(
    `REST, requests=${requests}`,
    'with an API token, roles and audit log, one request at a time on one connection;\n' +
      'baseline: the same routes of a replica without guard and audit log, asked in turn',
    rows,
  );
}

function questions(node: string): readonly Question[] {
  const group = (n: number) => ({
    apiVersion: 'hostward.io/v1',
    kind: 'Group',
    metadata: { name: 'bench' },
    spec: { selector: { matchLabels: { round: String(n) } } },
  });
  return [
    { what: 'read a host', path: `/v1/nodes/${node}`, call: () => ({}) },
    {
      what: 'write a group',
      path: '/v1/groups/bench',
      call: (n) => ({ method: 'PUT', body: group(n) }),
    },
  ];
}

/** Milliseconds of each answer, by target. The first ones, while code is still being compiled, do not count. */
async function inTurn(
  { path, call }: Question,
  targets: readonly ControlPlane[],
  { requests, signal }: { readonly requests: number; readonly signal: AbortSignal },
): Promise<readonly (readonly number[])[]> {
  const times: number[][] = targets.map(() => []);
  for (let n = -WARM_UP; n < requests; n += 1) {
    signal.throwIfAborted();
    // Who is asked first changes: the second one finds a machine that has just been busy.
    const order = [...targets.entries()];
    for (const [index, target] of n % 2 === 0 ? order : order.toReversed()) {
      const started = performance.now();
      await target.call(path, call(2 * n + index));
      if (n >= 0) times[index]?.push(performance.now() - started);
    }
  }
  return times;
}

function row(metric: string, value: number, baseline: number): Measurement {
  return { metric, value, unit: 'ms', baseline };
}

async function apiToken(context: Context): Promise<string> {
  const admin = new ControlPlane(context);
  try {
    const made = await admin.call<ApiTokenView>('/v1/api-tokens', {
      method: 'POST',
      body: { name: 'bench', roles: ['admin'], ttlMs: TOKEN_TTL_MS },
    });
    return made.token ?? '';
  } finally {
    admin.close();
  }
}
