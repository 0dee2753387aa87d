import type { Alert } from '#contracts';
import type { NewEntry, Spool } from '../events/spool.js';

/** A denial of `cat`. */
export function entry(sensor: number, message = `event ${sensor}`): NewEntry {
  return {
    sensor,
    alert: {
      Timestamp: 1,
      UpdatedTime: '2026-01-01T00:00:00.000Z',
      ClusterName: 'default',
      HostName: 'web1',
      HostPID: 1,
      PID: 1,
      UID: 0,
      ProcessName: '/usr/bin/cat',
      PolicyName: 'p',
      Message: message,
      Type: 'MatchedHostPolicy',
      Source: 'cat',
      Operation: 'File',
      Resource: '/etc/shadow',
      Data: '',
      Enforcer: 'AppArmor',
      Action: 'Block',
      Result: 'Permission denied',
      NodeID: 'n',
      Node: 'web1',
      Suppressed: 0,
    },
  };
}

export const range = (from: number, to: number): NewEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i));
/** Whatever waits, in as many reads as that takes. */
export async function allAlerts(spool: Spool, after = ''): Promise<readonly Alert[]> {
  const all: Alert[] = [];
  for (let last = after; ; last = all.at(-1)?.EventID ?? '') {
    const some = await spool.read(last, 1000);
    if (some.length === 0) return all;
    all.push(...some);
  }
}
