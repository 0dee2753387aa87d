import { describe, expect, it } from '@jest/globals';
import type { RuleReference } from '#policy-compiler';
import type { SensorEvent } from '#sensor';
import { alertOf } from './alert-of.js';

const source = { nodeId: 'ab12', node: 'web1', hostname: 'web1.example' };
const rule: RuleReference = {
  policy: 'block-sleep',
  revision: '7',
  rule: 'process/matchPaths/0',
  action: 'Block',
  severity: 5,
  tags: ['MITRE', 'T1059'],
  message: 'no sleep',
};

function denial(change: Partial<SensorEvent> = {}): SensorEvent {
  return {
    seq: 1,
    time: 1_700_000_000_123,
    type: 'denied',
    profile: 'hostward',
    operation: 'open',
    name: '/etc/shadow',
    requested: 'r',
    denied: 'r',
    pid: 42,
    comm: 'cat',
    exe: '/usr/bin/cat',
    fsuid: 1000,
    ...change,
  };
}

describe('an alert', () => {
  it('has KubeArmor’s field names and the rule behind it', () => {
    expect(alertOf(denial(), { ...rule, rule: 'file/matchPaths/0' }, source, 4)).toEqual({
      Timestamp: 1_700_000_000,
      UpdatedTime: '2023-11-14T22:13:20.123Z',
      ClusterName: 'default',
      HostName: 'web1.example',
      HostPID: 42,
      PID: 42,
      UID: 1000,
      ProcessName: '/usr/bin/cat',
      Source: '/usr/bin/cat',
      PolicyName: 'block-sleep',
      Severity: '5',
      Tags: 'MITRE,T1059',
      ATags: ['MITRE', 'T1059'],
      Message: 'no sleep',
      Type: 'MatchedHostPolicy',
      Operation: 'File',
      Resource: '/etc/shadow',
      Data: 'operation=open requested=r denied=r profile=hostward',
      Enforcer: 'AppArmor',
      Action: 'Block',
      Result: 'Permission denied',
      NodeID: 'ab12',
      Node: 'web1',
      RuleID: 'file/matchPaths/0',
      PolicyRevision: '7',
      Suppressed: 4,
    });
  });

  it('names for an exec the program that was to start, and who asked as its parent', () => {
    const exec = denial({ operation: 'exec', name: '/usr/bin/sleep', exe: '/usr/bin/bash' });
    expect(alertOf(exec, rule, source, 0)).toMatchObject({
      Operation: 'Process',
      ProcessName: '/usr/bin/sleep',
      ParentProcessName: '/usr/bin/bash',
      Source: '/usr/bin/bash',
      Resource: '/usr/bin/sleep',
    });
  });

  it('tells sockets and capabilities by what they are', () => {
    const socket = denial({
      operation: 'create',
      name: undefined,
      family: 'inet',
      sockType: 'raw',
      protocol: 1,
    });
    expect(alertOf(socket, { ...rule, rule: 'network/matchProtocols/0' }, source, 0)).toMatchObject(
      {
        Operation: 'Network',
        Resource: 'family=inet protocol=ICMP type=SOCK_RAW',
      },
    );
    const capability = denial({
      operation: 'capable',
      name: undefined,
      capability: 13,
      capname: 'net_raw',
    });
    expect(
      alertOf(capability, { ...rule, rule: 'capabilities/matchCapabilities/0' }, source, 0),
    ).toMatchObject({
      Operation: 'Capabilities',
      Resource: 'net_raw',
    });
  });

  it('tells of a query to DNS by the name that was asked for', () => {
    const query = denial({ operation: 'query', name: 'www.evil.example', requested: 'q' });
    expect(alertOf(query, undefined, source, 0)).toMatchObject({
      Operation: 'Network',
      Resource: 'domain=www.evil.example',
    });
    const malformed = { ...query, name: undefined, info: 'refused unasked: no whole query' };
    expect(alertOf(malformed, undefined, source, 0)).toMatchObject({
      ...{ Operation: 'Network', Resource: '' },
      Data: expect.stringContaining('refused unasked'),
    });
  });

  it('is told as DefaultPosture when no rule explains it, never dropped', () => {
    expect(alertOf(denial(), undefined, source, 0)).toMatchObject({
      PolicyName: 'DefaultPosture',
      Action: 'Block',
    });
    expect(alertOf(denial({ type: 'audited' }), undefined, source, 0)).toMatchObject({
      Action: 'Audit',
      Result: 'Passed',
    });
  });

  it('falls back to the name of the process where /proc was too late', () => {
    expect(alertOf(denial({ exe: undefined }), rule, source, 0)?.ProcessName).toBe('cat');
    expect(alertOf(denial({ exe: undefined, comm: undefined }), rule, source, 0)?.ProcessName).toBe(
      'unknown',
    );
  });

  it.each(['lost', 'drift', 'fallback', 'suspended', 'resumed'] as const)(
    'tells %s as an event of the system',
    (type) => {
      const alert = alertOf({ seq: 1, time: 0, type, info: 'why', count: 3 }, undefined, source, 0);
      expect(alert).toMatchObject({
        Type: 'SystemEvent',
        Message: `${type} (3): why`,
        Data: `event=${type}`,
      });
    },
  );

  it('says who acted and where, as far as the enforcer knows it', () => {
    const told = denial({
      enforcer: 'bpf',
      ppid: 40,
      uid: 1000,
      fsuid: 1001,
      loginuid: 1002,
      tty: 'pts0',
      cwd: '/root/',
      cgroup: '/system.slice/docker-ab.scope',
      container: 'ab',
      exec: '1c9f3a20-5000-42-3',
      parents: [{ pid: 40, comm: 'bash', exec: '1c9f3a20-4000-40-2' }],
      device: '8:1',
      inode: '99',
      generation: '12',
    });
    expect(alertOf(told, rule, source, 0)).toMatchObject({
      HostPPID: 40,
      PPID: 40,
      UID: 1000,
      LoginUID: 1002,
      TTY: 'pts0',
      Cwd: '/root/',
      CGroup: '/system.slice/docker-ab.scope',
      ContainerID: 'ab',
      ExecEvent: { ExecID: '1c9f3a20-5000-42-3', ExecutableName: '/usr/bin/cat' },
      Parents: [{ PID: 40, Name: 'bash', ExecID: '1c9f3a20-4000-40-2' }],
      Device: '8:1',
      Inode: '99',
      Generation: '12',
    });
  });

  it.each([
    ['kill', { requested: '9' }, 'signal 9 to the sensor was refused', 'Syscall'],
    ['ptrace', {}, 'tracing the sensor was refused', 'Syscall'],
    [
      'bpf_map',
      { requested: '12' },
      'opening map 12 of the sensor to write was refused',
      'Syscall',
    ],
    [
      'unpin',
      { name: '/sys/fs/bpf/hostward/x' },
      'removing the pin /sys/fs/bpf/hostward/x was refused',
      'File',
    ],
    ['umount', {}, 'unmounting the filesystem of the pins was refused', 'Syscall'],
    ['prlimit', {}, 'a limit on the sensor was refused', 'Syscall'],
  ] as const)(
    'tells %s of the sensor as a kind of its own',
    (operation, change, Message, Operation) => {
      const event = {
        seq: 1,
        time: 0,
        type: 'guarded',
        operation,
        pid: 7,
        exe: '/bin/x',
        ...change,
      } as const;
      expect(alertOf(event, undefined, source, 3)).toMatchObject({
        Type: 'SensorGuard',
        Message,
        Operation,
        Source: '/bin/x',
        Action: 'Block',
        Result: 'Permission denied',
        Suppressed: 3,
      });
    },
  );

  it('tells of a device by the function that it was judged by, as KubeArmor does', () => {
    const event = {
      seq: 1,
      time: 0,
      type: 'denied',
      operation: 'usb',
      name: '8/6/80',
      requested: 'use',
      denied: 'use',
      info: 'place=1-2 id=46f4:0001 level=1',
      enforcer: 'usb',
      rule: 0,
      device: '189:1',
    } as const;
    expect(alertOf(event, rule, source, 0)).toMatchObject({
      Operation: 'Device',
      Resource: 'USB MASS-STORAGE',
      ProcessName: 'kernel',
      Device: '189:1',
      Data: 'operation=usb requested=use denied=use info=place=1-2 id=46f4:0001 level=1',
      Enforcer: 'USBDeviceHandler',
    });
    const other = { ...event, name: '4/1/1' };
    expect(alertOf(other, rule, source, 0)?.Resource).toBe('USB class 4');
  });

  it('is not made of a load, which is no news', () => {
    expect(alertOf({ seq: 1, time: 0, type: 'loaded' }, undefined, source, 0)).toBeUndefined();
  });
});
