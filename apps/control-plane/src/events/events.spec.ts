import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Alert, AlertBatch } from '#contracts';
import { ShapeError } from '../shape/shape.js';
import { parseAlertBatch } from './parse-alert-batch.js';
import { SqliteAlertStore } from './sqlite-alert.store.js';

const NODE = 'a'.repeat(64);

function alert(eventId: string, over: Partial<Alert> = {}): Alert {
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
    NodeID: NODE,
    EventID: eventId,
    Node: 'web1',
    Suppressed: 0,
    ...over,
  };
}

function batch(...alerts: Alert[]): AlertBatch {
  const first = alerts[0]?.EventID ?? '1-1';
  const run = { bootedAt: '2026-01-01T00:00:00.000Z', sequence: 1 };
  return { v: 1, run, first, last: alerts.at(-1)?.EventID ?? first, alerts };
}

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe('a batch of alerts', () => {
  it('is of the host whose key opened it, whatever it says', () => {
    const forged = batch(alert('1-1', { Node: 'db1', NodeID: 'b'.repeat(64) }));
    const parsed = parseAlertBatch(bytes(forged), { nodeId: NODE, node: 'web1' });
    expect(parsed.alerts[0]).toMatchObject({ Node: 'web1', NodeID: NODE });
  });

  it('keeps who acted and where, and attempts on the sensor', () => {
    const told: Partial<Alert> = {
      Type: 'SensorGuard',
      HostPPID: 40,
      PPID: 40,
      LoginUID: 1000,
      TTY: 'pts0',
      Cwd: '/root/',
      ContainerID: 'c'.repeat(64),
      CGroup: '/system.slice/ssh.service',
      ExecEvent: { ExecID: '1c9f3a20-5000-42-3', ExecutableName: '/usr/bin/cat' },
      Parents: [{ PID: 40, Name: 'bash', ExecID: '1c9f3a20-4000-40-2' }],
      Device: '8:1',
      Inode: '99',
      Generation: '12',
    };
    const source = { nodeId: NODE, node: 'web1' };
    expect(parseAlertBatch(bytes(batch(alert('1-1', told))), source).alerts[0]).toMatchObject(told);
    const parents = Array.from({ length: 9 }, (_, PID) => ({ PID, Name: 'sh' }));
    const long = batch(alert('1-1', { Parents: parents }));
    expect(() => parseAlertBatch(bytes(long), source)).toThrow(ShapeError);
  });

  it.each<[string, unknown]>([
    ['out of order', batch(alert('1-2'), alert('1-1'))],
    ['with an id twice', batch(alert('1-1'), alert('1-1'))],
    ['with an id beyond its last', { ...batch(alert('1-1'), alert('1-5')), last: '1-3' }],
    ['with an unknown field', { ...batch(alert('1-1')), extra: 1 }],
    ['with an unknown field in an alert', batch({ ...alert('1-1'), Extra: 1 } as Alert)],
    ['with an id that is none', batch(alert('x'))],
    ['of another version', { ...batch(alert('1-1')), v: 2 }],
  ])('%s is refused', (_title, value) => {
    expect(() => parseAlertBatch(bytes(value), { nodeId: NODE, node: 'web1' })).toThrow(ShapeError);
  });
});

describe('the store of alerts', () => {
  let folder: string;
  let store: SqliteAlertStore;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hw-alerts-'));
    store = new SqliteAlertStore(join(folder, 'alerts.db'), 5);
  });
  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('keeps an event once, however often it is sent, and says up to where it has everything', () => {
    expect(store.add(NODE, batch(alert('1-1'), alert('1-2')))).toEqual({
      stored: 2,
      duplicates: 0,
      last: '1-2',
    });
    expect(store.add(NODE, batch(alert('1-2'), alert('1-3')))).toEqual({
      stored: 1,
      duplicates: 1,
      last: '1-3',
    });
    expect(store.add(NODE, batch(alert('1-1')))).toEqual({ stored: 0, duplicates: 1, last: '1-3' });
    expect(store.add('b'.repeat(64), batch(alert('1-1')))).toMatchObject({ stored: 1 });
  });

  it('survives being opened again', () => {
    store.add(NODE, batch(alert('1-1')));
    store.close();
    store = new SqliteAlertStore(join(folder, 'alerts.db'), 5);
    expect(store.add(NODE, batch(alert('1-1')))).toMatchObject({ stored: 0 });
    expect(store.lastId()).toBe(1);
  });

  it('answers by node, by policy, by time, in pages both ways', () => {
    const late = { UpdatedTime: '2026-03-02T00:00:00.000Z' };
    store.add(
      NODE,
      batch(
        alert('1-1'),
        alert('1-2', { Node: 'db1' }),
        alert('1-3', { PolicyName: 'p2', ...late }),
      ),
    );
    const ids = (found: readonly { alert: Alert }[]) => found.map((each) => each.alert.EventID);
    expect(ids(store.before({}, undefined, 2))).toEqual(['1-3', '1-2']);
    expect(ids(store.before({}, 2, 2))).toEqual(['1-1']);
    expect(ids(store.after({}, 1, 10))).toEqual(['1-2', '1-3']);
    expect(ids(store.before({ node: 'db1' }, undefined, 10))).toEqual(['1-2']);
    expect(ids(store.before({ policy: "p2' OR 1=1" }, undefined, 10))).toEqual([]);
    expect(ids(store.before({ policy: 'p2' }, undefined, 10))).toEqual(['1-3']);
    expect(ids(store.before({ sinceMs: Date.parse(late.UpdatedTime) }, undefined, 10))).toEqual([
      '1-3',
    ]);
    expect(store.byEventId('1-2', {})?.alert.Node).toBe('db1');
    expect(store.byEventId('1-2', { node: 'web1' })).toBeUndefined();
  });

  it('keeps a bounded number and does not take pruned ones again', () => {
    for (let number = 1; number <= 12; number += 1) store.add(NODE, batch(alert(`1-${number}`)));
    const kept = store.before({}, undefined, 100);
    expect(kept.length).toBeLessThanOrEqual(10);
    expect(kept[0]?.alert.EventID).toBe('1-12');
    expect(store.add(NODE, batch(alert('1-1')))).toMatchObject({ stored: 0, last: '1-12' });
  });

  it('stores nothing of a batch that fails in the middle', () => {
    const broken = batch(alert('1-1'), {
      ...alert('1-2'),
      PolicyName: undefined as unknown as string,
    });
    expect(() => store.add(NODE, broken)).toThrow();
    expect(store.lastId()).toBe(0);
    expect(store.add(NODE, batch(alert('1-1')))).toMatchObject({ stored: 1 });
  });
});
