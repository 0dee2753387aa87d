import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { open, type FileHandle } from 'node:fs/promises';
import { SpoolFolder, allAlerts, entry, range } from '../testing/spools.js';

let folder: SpoolFolder;
/** Of every open file: Node exports no class for it. */
let file: FileHandle;
beforeEach(async () => {
  folder = new SpoolFolder();
  const any = await open('/dev/null');
  file = Object.getPrototypeOf(any) as FileHandle;
  await any.close();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await folder.remove();
});

describe('a batch of alerts', () => {
  it('is synced to the disk before it counts as kept', async () => {
    const spool = await folder.open();
    const sync = jest.spyOn(file, 'datasync');
    await spool.append([entry(1)]);
    expect(sync).toHaveBeenCalledTimes(1);
    await spool.append(range(2, 3));
    expect(sync).toHaveBeenCalledTimes(2);
  });

  it('is on disk once, though the disk failed when all of it was written', async () => {
    const spool = await folder.open();
    await spool.append([entry(1)]);
    const sync = jest.spyOn(file, 'datasync').mockRejectedValueOnce(new Error('EIO'));
    await spool.append(range(2, 3));
    expect(spool.status().failure).toBe('EIO');
    sync.mockRestore();
    await spool.retry();
    await spool.close();
    const again = await folder.open();
    expect((await allAlerts(again)).map(({ Message }) => Message)).toEqual([
      'event 1',
      'event 2',
      'event 3',
    ]);
    expect(again.status()).toMatchObject({ waiting: 3, lost: 0 });
  });
});
