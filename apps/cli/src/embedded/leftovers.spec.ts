import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endLeftovers } from './leftovers.js';
import type { RunRecord } from './run-record.js';

let folder = '';
let left: ChildProcess;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-leftovers-'));
  await mkdir(join(folder, 'disk'));
  await symlink('disk', join(folder, 'link'));
  left = spawn('sleep', ['600'], { cwd: join(folder, 'disk'), stdio: 'ignore' });
  await once(left, 'spawn');
});
afterEach(async () => {
  left.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const endIn = (dataDir: string, of: Partial<RunRecord> = {}): Promise<string[]> => {
  const children = { etcd: left.pid ?? 0 };
  const record = { pid: 0, url: '', caFingerprint: '', ready: true, children, ...of };
  return endLeftovers(dataDir, record);
};

it.each(['disk', 'link'])('what works in the data folder is ended, named as %s', async (name) => {
  const ended = once(left, 'exit');
  expect(await endIn(join(folder, name))).toEqual(['etcd']);
  expect(await ended).toEqual([null, 'SIGTERM']);
});

it('a program elsewhere that has the pid by now is left alone', async () => {
  expect(await endIn(folder)).toEqual([]);
  expect(left.exitCode ?? left.signalCode).toBeNull();
});

it('what has the pid after a reboot, or is the one that asks, is left alone', async () => {
  const disk = join(folder, 'disk');
  expect(await endIn(disk, { bootId: 'another', startTicks: '1' })).toEqual([]);
  expect(await endIn(process.cwd(), { children: { etcd: process.pid } })).toEqual([]);
  expect(left.exitCode ?? left.signalCode).toBeNull();
});
