import { execFile } from 'node:child_process';
import { cp, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const PROGRAMS = ['/usr/bin/redis-server', '/usr/bin/etcd'];
const run = promisify(execFile);

/** Puts this machine's Redis and etcd with all their libraries into `folder`, as they lie from the root on. */
export async function stageServicePrograms(folder: string): Promise<void> {
  for (const file of [...PROGRAMS, ...(await librariesOf(PROGRAMS))]) {
    const to = join(folder, dirname(file).replace(/^\/lib/, '/usr/lib'), file.replace(/.*\//, ''));
    await mkdir(dirname(to), { recursive: true });
    await cp(await realpath(file), to);
  }
}

/** As the programs name them. */
async function librariesOf(programs: readonly string[]): Promise<ReadonlySet<string>> {
  const { stdout } = await run('ldd', [...programs]);
  return new Set([...stdout.matchAll(/=> (\/\S+)/g)].map(([, file]) => file ?? ''));
}
