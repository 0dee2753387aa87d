import { describe, expect, it } from '@jest/globals';
import type { SensorEvent } from '#sensor';
import { TelemetryEvents } from './telemetry-events.js';

const source = { nodeId: 'a'.repeat(64), node: 'web1', hostname: 'web1' };
const event: SensorEvent = {
  seq: 1,
  time: 1_700_000_000_000,
  type: 'observed',
  class: 'network',
  operation: 'connect',
  family: 'inet',
  sockType: 'stream',
  peer: '192.0.2.1:443',
  pid: 42,
  exe: '/usr/bin/curl',
  exec: '1c9f3a20-1-42-3',
  enforcer: 'bpf',
  suppressed: 4,
};

function taken(...events: readonly Partial<SensorEvent>[]) {
  const telemetryEvents = new TelemetryEvents(source);
  for (const each of events) telemetryEvents.add({ ...event, ...each });
  return telemetryEvents.take(100, 1_000_000);
}

describe('what was only watched', () => {
  it('is a log of KubeArmor, with who did what how often', () => {
    expect(taken({})).toEqual([
      expect.objectContaining({
        Type: 'HostLog',
        PolicyName: 'visibility/network',
        Operation: 'Network',
        Resource: 'family=inet protocol=TCP type=SOCK_STREAM address=192.0.2.1:443',
        Source: '/usr/bin/curl',
        ExecEvent: { ExecID: '1c9f3a20-1-42-3', ExecutableName: '/usr/bin/curl' },
        Enforcer: 'eBPF Monitor',
        Result: 'Passed',
        Suppressed: 4,
      }),
    ]);
  });

  it.each<[string, Partial<SensorEvent>, string, string]>([
    [
      'a program with its arguments',
      { class: 'process', operation: 'exec', name: '/usr/bin/ls', info: 'ls -l' },
      'Process',
      '/usr/bin/ls (ls -l)',
    ],
    [
      'a file',
      { class: 'file', operation: 'open', name: '/etc/hosts', requested: 'r' },
      'File',
      '/etc/hosts',
    ],
    [
      'a capability',
      { class: 'capabilities', operation: 'capable', capability: 21, info: 'refused' },
      'Capabilities',
      'sys_admin',
    ],
    [
      'a question to DNS',
      { class: 'dns', operation: 'dns', name: 'example.com', requested: '28' },
      'Network',
      'domain=example.com type=28',
    ],
  ])('%s has its operation and resource', (_title, changes, Operation, Resource) => {
    const { family: _family, sockType: _type, peer: _peer, ...bare } = event;
    const telemetryEvents = new TelemetryEvents(source);
    telemetryEvents.add({ ...bare, ...changes });
    expect(telemetryEvents.take(1, 1_000_000)).toEqual([
      expect.objectContaining({ Operation, Resource }),
    ]);
  });

  it('gives way to what is newer where too much waits, and is counted', () => {
    const telemetryEvents = new TelemetryEvents(source, 3);
    for (let i = 0; i < 5; i += 1) telemetryEvents.add({ ...event, pid: i });
    expect(telemetryEvents.lost).toBe(2);
    expect(telemetryEvents.take(2, 1_000_000).map(({ PID }) => PID)).toEqual([2, 3]);
    expect(telemetryEvents.take(2, 1)).toHaveLength(1);
    expect(telemetryEvents.take(2, 1)).toEqual([]);
    telemetryEvents.miss(2);
    expect(telemetryEvents.lost).toBe(4);
  });
});
