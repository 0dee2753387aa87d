import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SmallDisks } from '#testing';
import type { CommandFailed } from '../output/errors.js';
import { freePort } from './free-ports.js';
import { preflight } from './preflight.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-preflight-'));
  await writeFile(join(folder, 'file'), '');
  await symlink('nowhere', join(folder, 'link'));
});
afterEach(() => rm(folder, { recursive: true }));

async function refusal(dataDir: string): Promise<CommandFailed | undefined> {
  const port = await freePort();
  return preflight(dataDir, { host: '127.0.0.1', port }).then(
    () => undefined,
    (error: CommandFailed) => error,
  );
}

describe('a data folder that cannot be', () => {
  it.each([
    ['/proc/x', 'ENOENT'],
    ['/proc/x/y', 'ENOENT'],
    ['file', 'EEXIST'],
    ['file/x', 'ENOTDIR'],
    ['link', 'EEXIST'],
  ])('is named before anything is made or started: %s', async (name, why) => {
    const dataDir = name.startsWith('/') ? name : join(folder, name);
    const error = await refusal(dataDir);
    expect(error?.message).toContain(`cannot use the data folder ${dataDir}: `);
    expect(error?.message).toContain(`${why}: `);
    expect(error?.remedy).toBe('name another folder by --data-dir');
  });

  (SmallDisks.canBeMade ? it : it.skip)(
    `has a disk that is too small for a first start, and serves on it where it has served before${SmallDisks.skipped}`,
    async () => {
      const small = await SmallDisks.start([{ folder, mib: 8 }]);
      try {
        const dataDir = small.at(folder);
        const error = await refusal(dataDir);
        expect(error?.message).toContain(`${dataDir} has room for 8 MiB, and a first start needs`);
        expect(error?.remedy).toBe('make room there, or name another folder by --data-dir');
        await mkdir(join(dataDir, 'etcd'));
        expect(await refusal(dataDir)).toBeUndefined();
      } finally {
        await small.stop();
      }
    },
  );
});
