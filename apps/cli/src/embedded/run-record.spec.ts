import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { birthOf, isOfEarlierBoot, liveUp, writeRunRecord, type Birth } from './run-record.js';

const STAYS = 'setInterval(() => undefined, 60_000)';
const OTHER_BOOT = '00000000-0000-4000-8000-000000000000';

let folder = '';
let up: ChildProcess;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-run-record-'));
  const program = join(folder, 'up) R (1 2');
  await symlink(execPath, program);
  up = spawn(program, ['-e', STAYS, '/hostward/bundle.js', 'up'], { stdio: 'ignore' });
  await once(up, 'spawn');
});
afterEach(async () => {
  up.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const pid = (): number => up.pid ?? 0;
const birth = (): Birth => {
  const found = birthOf(pid());
  if (found === undefined) throw new Error('it does not run');
  return found;
};
/** What is taken for running where the record says this. */
function found(of: Partial<Birth> & { pid?: number }): number | undefined {
  const said = { pid: pid(), ...of };
  writeRunRecord(folder, { url: '', caFingerprint: '', ready: true, children: {}, ...said });
  return liveUp(folder)?.pid;
}

describe('the record of an up', () => {
  it('is of the process that wrote it, whatever its name', () => {
    expect(birth().startTicks).toMatch(/^[1-9][0-9]*$/);
    expect(found(birth())).toBe(pid());
  });

  it('is not of an up that has the pid by now: one that started later, or after a reboot', () => {
    expect(found({ ...birth(), startTicks: '1' })).toBeUndefined();
    expect(found({ ...birth(), bootId: OTHER_BOOT })).toBeUndefined();
  });

  it('is not of what has ended, or of another program', async () => {
    expect(found({ pid: process.ppid, ...birthOf(process.ppid) })).toBeUndefined();
    const born = birth();
    const ended = once(up, 'exit');
    up.kill('SIGKILL');
    await ended;
    expect(found(born)).toBeUndefined();
    expect(birthOf(pid())).toBeUndefined();
  });

  it('is by pid and command line where an older version wrote it', () => {
    expect(found({})).toBe(pid());
    expect(found({ pid: process.ppid })).toBeUndefined();
  });

  it('is never of the one that asks, which has the same pid in each run of a container', () => {
    const own = Object.getOwnPropertyDescriptor(process, 'pid') ?? {};
    Object.defineProperty(process, 'pid', { ...own, value: pid() });
    try {
      expect(found({})).toBeUndefined();
      expect(found(birth())).toBeUndefined();
    } finally {
      Object.defineProperty(process, 'pid', own);
    }
  });

  it('tells what cannot be there any more', () => {
    const record = { pid: pid(), url: '', caFingerprint: '', ready: true, children: {} };
    expect(isOfEarlierBoot({ ...record, ...birth(), bootId: OTHER_BOOT })).toBe(true);
    expect(isOfEarlierBoot({ ...record, ...birth() })).toBe(false);
    expect(isOfEarlierBoot(record)).toBe(false);
  });
});
