import { describe, expect, it } from '@jest/globals';
import type { Alert } from '#contracts';
import { ShapeError } from '../http/shape.js';
import { ALERT_NODE as NODE, alert, batchOf as batch } from '../testing/alerts.js';
import { parseAlertBatch } from './parse-alert-batch.js';

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
