import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, whether this runs from sources or from dist. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json was not found above the program');
    folder = parent;
  }
  return folder;
}

/** True in the sources, false where a package put the programs. */
function isSourceTree(): boolean {
  return existsSync(join(packageRoot(), 'package-lock.json'));
}

/** Where `up` keeps everything unless told otherwise: beside the sources, or in the user's own folder. */
export function defaultDataDir(): string {
  if (isSourceTree()) return join(packageRoot(), '.hostward');
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'hostward');
}

/** The built program of an app, in one file. */
export function appMain(app: 'agent' | 'control-plane'): string {
  return join(packageRoot(), 'dist', 'apps', app, 'src', 'bundle.js');
}
