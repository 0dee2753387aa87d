import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { CONTROL_PLANES } from '../faults.js';
import { Shards } from './shards.js';

const OF = CONTROL_PLANES[0];
const NAMED = '[{"name":"b","host":"127.0.0.1","port":7,"agent":{"port":7}}]';

let folder = '';
let shards: Shards;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-shards-'));
  shards = new Shards(folder, 7);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a control plane that is started now is told. */
function told(): string {
  const program = {
    ...{ name: OF, cwd: folder, logFile: '', readyWithinMs: 0, stopWithinMs: 0 },
    ...{ command: '/bin/sh', args: ['-c', 'printf %s "$HOSTWARD_CONTROL_PLANE__REDIS__SHARDS"'] },
    ready: () => Promise.resolve(),
  };
  const { command, args } = shards.before(OF, program);
  return execFileSync(command, [...args], { encoding: 'utf8' });
}

it('leaves the shard out until that was taken back as often, whoever else asks at the same moment', () => {
  expect(told()).toBe(NAMED);
  for (const _ of [1, 2, 3]) shards.leaveOut(OF);
  for (const _ of [1, 2]) shards.takeBack(OF);
  expect(told()).toBe('');
  shards.takeBack(OF);
  expect(told()).toBe(NAMED);
});

it('does not leave it out for a fault that could not be made', () => {
  rmSync(folder, { recursive: true });
  expect(() => shards.leaveOut(OF)).toThrow('ENOENT');
  mkdirSync(folder);
  expect(told()).toBe(NAMED);
});
