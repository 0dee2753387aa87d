import type { Alert, AlertBatch } from '#contracts';

/** Whose alerts they are. */
export const ALERT_NODE = 'a'.repeat(64);

/** An alert of web1. */
export function alert(eventId: string, over: Partial<Alert> = {}): Alert {
  return {
    Timestamp: 1_772_366_400,
    UpdatedTime: '2026-03-01T12:00:00.000Z',
    ClusterName: 'default',
    HostName: 'web1',
    HostPID: 5,
    PID: 5,
    UID: 0,
    ProcessName: '/usr/bin/sleep',
    PolicyName: 'block-sleep',
    Type: 'MatchedHostPolicy',
    Source: '/usr/bin/bash',
    Operation: 'Process',
    Resource: '/usr/bin/sleep',
    Data: '',
    Enforcer: 'AppArmor',
    Action: 'Block',
    Result: 'Permission denied',
    NodeID: ALERT_NODE,
    EventID: eventId,
    Node: 'web1',
    Suppressed: 0,
    ...over,
  };
}

/** A batch of one agent's run. */
export function batchOf(...alerts: Alert[]): AlertBatch {
  const first = alerts[0]?.EventID ?? '1-1';
  const run = { bootedAt: '2026-01-01T00:00:00.000Z', sequence: 1 };
  return { v: 1, run, first, last: alerts.at(-1)?.EventID ?? first, alerts };
}

/** A batch of alerts of now about `policy`, numbered from `from` to `to`, of a host that says what it likes of itself. */
export function alertBatch(policy: string, from: number, to: number): AlertBatch {
  const [nowMs, count] = [Date.now(), to - from + 1];
  const alerts = Array.from({ length: count }, (_, index) =>
    alert(`1000-${String(from + index).padStart(10, '0')}`, {
      Timestamp: Math.floor(nowMs / 1000),
      UpdatedTime: new Date(nowMs).toISOString(),
      PolicyName: policy,
      ...{ HostName: 'anything', NodeID: 'anything', Node: 'anything' },
    }),
  );
  return batchOf(...alerts);
}
