import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SmallDisks } from '#testing';
import { replacePrivate, writePrivate } from './private-file.js';

const OLD = 'old\n'.repeat(10);
/** More than the room that is left, which a single write takes for the most part. */
const NEW = 'new\n'.repeat(10_000);
const ROOM_BYTES = 16 * 1024;

const WAYS: readonly (readonly [
  string,
  (path: string, content: string) => Promise<void> | void,
])[] = [
  ['writePrivate', writePrivate],
  ['replacePrivate', replacePrivate],
];

describe.each(WAYS)('a private file by %s', (_name, write) => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hostward-private-file-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('is replaced as a whole, and nobody else may read it', async () => {
    const path = join(root, 'secret');
    await write(path, OLD);
    await write(path, NEW);
    expect(readFileSync(path, 'utf8')).toBe(NEW);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(root)).toEqual(['secret']);
  });

  (SmallDisks.canBeMade ? it : it.skip)(
    `is the one of before where the disk takes only a part of the new one, and nothing is left of that${SmallDisks.skipped}`,
    async () => {
      const disk = join(root, 'disk');
      const disks = await SmallDisks.start([{ folder: disk, mib: 1 }]);
      try {
        const folder = disks.at(disk);
        const path = join(folder, 'secret');
        await write(path, OLD);
        await leave(ROOM_BYTES, disks, disk);
        await expect(Promise.try(write, path, NEW)).rejects.toThrow('ENOSPC');
        expect(readFileSync(path, 'utf8')).toBe(OLD);
        expect(readdirSync(folder).sort()).toEqual(['filler', 'secret']);
        await disks.empty(disk);
        await write(path, NEW);
        expect(readFileSync(path, 'utf8')).toBe(NEW);
      } finally {
        await disks.stop();
      }
    },
  );
});

/** Fills the disk but for so many bytes. */
async function leave(bytes: number, disks: SmallDisks, disk: string): Promise<void> {
  await disks.fill(disk);
  await using filler = await open(join(disks.at(disk), 'filler'), 'r+');
  await filler.truncate((await filler.stat()).size - bytes);
}
