import type { WatchHealth } from '#etcd';

/** One thing the control plane needs. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** What readiness is judged by. */
export interface Vitals {
  readonly watch: WatchHealth;
  readonly fleetRevision: bigint;
  readonly redis: { readonly ok: boolean; readonly detail: string };
  /** Those beside the main one, together; absent where there are none. */
  readonly redisShards?: { readonly ok: boolean; readonly detail: string };
  /** The store of alerts; a full disk shows here. */
  readonly alerts: { readonly ok: boolean; readonly detail: string };
  /** While it is not ok no write is taken. */
  readonly auditLog: { readonly ok: boolean; readonly detail: string };
  readonly etcdWrites: { readonly ok: boolean; readonly detail: string };
  /** Whether the other control planes keep alerts and audit log where this one does. */
  readonly store: { readonly ok: boolean; readonly detail: string };
  /** In words, while hosts have seen another audit log than the one that is here. */
  readonly rewritten?: string;
  /** In words, while etcd is older than what was published from it. */
  readonly restored?: string;
  readonly waiting: number;
  readonly unreadable: readonly string[];
  /** By `performance.now`, as `watch.lastProgressAt`. */
  readonly nowMs: number;
}

/** The watch asks for progress every 5 s; three missed answers are a lag. */
const WATCH_LAG_MS = 15_000;

/**
 * Whether the fleet in memory is the one in etcd, as far as can be known: nothing unreadable, and the watch heard of a
 * moment ago. Else another replica may have been told of more policies and hosts than we know.
 */
export function knowsWholeFleet({ watch, unreadable, nowMs }: Vitals): boolean {
  return unreadable.length === 0 && isCurrent(watch, nowMs);
}

/** Whether the watch was heard of a moment ago. */
export function isCurrent(watch: Pick<WatchHealth, 'lastProgressAt'>, nowMs: number): boolean {
  return nowMs - watch.lastProgressAt <= WATCH_LAG_MS;
}

/**
 * What is well and what is not; ready is where all that must be well is. That the audit log was rewritten is an alarm for
 * people: a control plane that cannot mend it serves all the same. So it does while a Redis beside the main one is away:
 * hosts of the others are served as ever. And while control planes have stores apart, which all of them find at once: none
 * would be left to take a policy.
 */
export function readiness(vitals: Vitals): {
  readonly ready: boolean;
  readonly checks: readonly Check[];
} {
  const checks = [
    watchCheck(vitals),
    redisCheck(vitals),
    deliveryCheck(vitals),
    recordCheck(vitals),
    alertCheck(vitals),
    { name: 'audit-log', ...vitals.auditLog },
    { name: 'etcd-writes', ...vitals.etcdWrites },
    restoreCheck(vitals),
  ];
  const { redisShards } = vitals;
  const told = [
    heldHeadsCheck(vitals),
    { name: 'store', ...vitals.store },
    ...(redisShards ? [{ name: 'redis-shards', ...redisShards }] : []),
  ];
  return { ready: checks.every(({ ok }) => ok), checks: [...checks, ...told] };
}

function watchCheck({ watch, fleetRevision, nowMs }: Vitals): Check {
  const name = 'etcd';
  if (fleetRevision === 0n) return { name, ok: false, detail: `not read yet${reason(watch)}` };
  if (!watch.connected)
    return { name, ok: false, detail: `the watch is not connected${reason(watch)}` };
  const silentMs = nowMs - watch.lastProgressAt;
  if (silentMs > WATCH_LAG_MS) {
    return {
      name,
      ok: false,
      detail: `the watch lags: nothing heard for ${Math.round(silentMs / 1000)} s`,
    };
  }
  return { name, ok: true, detail: `at revision ${fleetRevision}` };
}

function reason({ lastError }: WatchHealth): string {
  return lastError === undefined ? '' : `: ${lastError.slice(0, 200)}`;
}

function redisCheck({ redis }: Vitals): Check {
  return { name: 'redis', ...redis };
}

function alertCheck({ alerts }: Vitals): Check {
  const waits = alerts.ok ? '' : '; alerts wait with their hosts';
  return { name: 'alerts', ok: alerts.ok, detail: `${alerts.detail}${waits}` };
}

function heldHeadsCheck({ rewritten }: Vitals): Check {
  const detail = rewritten ?? 'every head that hosts have seen is in it';
  return { name: 'audit-log-heads', ok: rewritten === undefined, detail };
}

function restoreCheck({ restored }: Vitals): Check {
  const detail = restored ?? 'nothing published is above the revision of etcd';
  return { name: 'restore', ok: restored === undefined, detail };
}

function deliveryCheck({ waiting }: Vitals): Check {
  // Hosts that wait are work in progress; that it does not end is told by the other checks.
  return { name: 'delivery', ok: true, detail: `${waiting} hosts wait for an assignment` };
}

function recordCheck({ unreadable }: Vitals): Check {
  const ok = unreadable.length === 0;
  const detail = ok ? 'all can be read' : `cannot be read: ${unreadable.slice(0, 5).join(', ')}`;
  return { name: 'records', ok, detail };
}
