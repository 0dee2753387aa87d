import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endLeftovers } from './leftovers.js';

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

const endIn = (dataDir: string): Promise<string[]> => {
  const children = { etcd: left.pid ?? 0 };
  return endLeftovers(dataDir, { pid: 0, url: '', caFingerprint: '', ready: true, children });
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
