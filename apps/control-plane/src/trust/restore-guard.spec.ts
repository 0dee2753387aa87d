import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  PublishedFile,
  RestoreGuard,
  alarmWords,
  type Claim,
  type Published,
} from './restore-guard.js';

class FakeFile extends PublishedFile {
  kept: Published | undefined;
  override read(): Published | undefined {
    return this.kept;
  }
  full = false;
  writing = 0;
  mostAtOnce = 0;
  override async write(published: Published): Promise<boolean> {
    this.writing += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.writing);
    const isTaken = !this.full;
    await new Promise(setImmediate);
    if (isTaken) this.kept = published;
    this.writing -= 1;
    return isTaken;
  }
}

let file: FakeFile;
let guard: RestoreGuard;
beforeEach(() => {
  file = new FakeFile();
  guard = new RestoreGuard(file);
});

const claims = (count: number, ahead: number): Claim[] =>
  Array.from({ length: count }, (_, index) => ({
    node: `web${index}`,
    epoch: '1',
    generation: index < ahead ? '500' : '90',
  }));
const look = (revision: bigint, of: readonly Claim[] = [], nowMs = 0, epoch = '1') =>
  guard.look({ epoch, revision, claims: of, nowMs });

describe('a restored etcd', () => {
  it('is noticed by what this control plane published, also after its restart', async () => {
    guard.published({ epoch: '1', generation: '100' });
    expect(look(100n)).toBe(false);
    await guard.flush();
    guard = new RestoreGuard(file);
    expect(look(60n)).toBe(true);
    expect(guard.alarm && alarmWords(guard.alarm)).toMatch(/revision 60.*generation 100.*recover/s);
  });

  it('is noticed by what hosts report, once it is sure that the watch does not only lag', () => {
    expect(look(100n, claims(3, 3), 0)).toBe(false);
    expect(look(100n, claims(3, 3), 2_000)).toBe(false);
    expect(look(100n, claims(3, 3), 3_000)).toBe(true);
    expect(guard.alarm?.seenBy).toBe('host web0 and 2 more hosts');
  });

  it('is over when revisions go on above, or with a new epoch', () => {
    guard.published({ epoch: '1', generation: '100' });
    expect(look(60n)).toBe(true);
    expect(look(1_000_000_060n)).toBe(true);
    expect(guard.alarm).toBeUndefined();
    expect(look(60n)).toBe(true);
    expect(look(60n, claims(2, 2), 9_000, '2')).toBe(true);
    expect(guard.alarm).toBeUndefined();
  });

  it('is not mended by being written to, until its revisions pass the old ones, nor by a restart then', async () => {
    guard.published({ epoch: '1', generation: '100' });
    expect(look(60n)).toBe(true);
    expect(look(101n)).toBe(false);
    await guard.flush();
    guard = new RestoreGuard(file);
    expect(look(150n)).toBe(true);
    expect(guard.alarm?.generation).toBe(100n);
  });

  it('is noticed after a restart though the disk was full for a while', async () => {
    file.full = true;
    guard.published({ epoch: '1', generation: '100' });
    expect(look(100n)).toBe(false);
    await guard.flush();
    file.full = false;
    expect(look(100n)).toBe(false);
    await guard.flush();
    guard = new RestoreGuard(file);
    expect(look(60n)).toBe(true);
  });

  it('is nothing that one host of many can pretend, nor a watch that lags for a moment', () => {
    for (const nowMs of [0, 60_000]) expect(look(100n, claims(6, 1), nowMs)).toBe(false);
    expect(look(100n, claims(3, 3), 70_000)).toBe(false);
    expect(look(600n, claims(3, 3), 71_000)).toBe(false);
    expect(look(499n, claims(3, 3), 80_000)).toBe(false);
  });

  it('is nothing before etcd was read', () => {
    guard.published({ epoch: '1', generation: '100' });
    expect(look(0n)).toBe(false);
  });

  it('is noticed after a restart by the latest that was published, also while the one before was written', async () => {
    guard.published({ epoch: '1', generation: '100' });
    expect(look(100n)).toBe(false);
    guard.published({ epoch: '1', generation: '200' });
    expect(look(200n)).toBe(false);
    await guard.flush();
    expect([file.kept?.generation, file.mostAtOnce]).toEqual(['200', 1]);
  });
});
