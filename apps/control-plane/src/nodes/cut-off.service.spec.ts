import { expect, it } from '@jest/globals';
import { Log } from '#observability';
import { SystemClock } from '../http/clock.js';
import type { FleetEditor } from '../store/fleet-editor.js';
import { CutOffService } from './cut-off.service.js';
import type { HostInbox } from '../reports/host-inbox.js';

it('throws away what an offender wrote also while nothing can be written to etcd', async () => {
  const discarded: string[] = [];
  const inbox = { discard: (nodeId: string) => Promise.resolve(discarded.push(nodeId)) };
  const editor = { edit: () => Promise.reject(new Error('the audit log is away')) };
  const lines: string[] = [];
  const log = new Log({ write: (line) => lines.push(line) });
  const service = new CutOffService(
    editor as unknown as FleetEditor,
    inbox as unknown as HostInbox,
    new SystemClock(),
    log,
  );
  for (let time = 0; time < 2; time += 1)
    await service.cutOff({ nodeId: 'a'.repeat(64), reason: 'it wrote without an end' });
  expect(discarded).toEqual(['a'.repeat(64), 'a'.repeat(64)]);
  expect(lines.join()).toContain('could not be cut off, trying again');
});
