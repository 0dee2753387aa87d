import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { mustRun } from './run-command.js';

/** Makes `disk`, a raw ext4 filesystem with the contents of the folder `source` (60 MB take 0.2 s). */
export async function makeDataDisk(source: string, disk: string): Promise<void> {
  const { bytes, files } = await measure(source);
  const sizeMiB = Math.ceil((bytes * 1.1) / 1_048_576 + (files * 512) / 1_048_576) + 16;
  await rm(disk, { force: true });
  const layout = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-O',
    '^has_journal',
    '-m',
    '0',
    '-N',
    String(files + 64),
  ];
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  await mustRun('mke2fs', [...layout, '-d', source, disk, `${sizeMiB}M`], {
    env,
    timeoutMs: 300_000,
  });
}

async function measure(source: string): Promise<{ bytes: number; files: number }> {
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.isFile() ? (await stat(join(entry.parentPath, entry.name))).size : 0;
    bytes += Math.ceil(size / 4096) * 4096 + 4096 * Number(entry.isDirectory());
  }
  return { bytes, files: entries.length };
}
