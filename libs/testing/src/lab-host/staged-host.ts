import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { withLock } from '../lab/cache-entry.js';

/** The tree that is installed on hosts, as tools/stage-host.mjs made it. */
export interface StagedHost {
  readonly dir: string;
  /** sha256 over all files: equal trees need no new snapshot. */
  readonly content: string;
}

const BUILD_TIMEOUT_MS = 300_000;

/**
 * Builds the native sensor and stages the host's tree under build/host; a missing part is an error.
 * One at a time: suites that run at once share the tree.
 */
export async function stageHost(projectRoot: string): Promise<StagedHost> {
  const run = promisify(execFile);
  const options = { cwd: projectRoot, timeout: BUILD_TIMEOUT_MS };
  await mkdir(join(projectRoot, 'build'), { recursive: true });
  await withLock(join(projectRoot, 'build', 'host.lock'), async () => {
    await run('make', ['-s', '-C', 'libs/sensor/native'], options);
    await run(execPath, ['tools/stage-host.mjs', '--require-all'], options);
  });
  const dir = join(projectRoot, 'build', 'host');
  return { dir, content: (await readFile(join(dir, 'CONTENT'), 'utf8')).trim() };
}
