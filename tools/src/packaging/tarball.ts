import { createHash } from 'node:crypto';
import { appendFile, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Build, type Recipe, XZ_THREADS, xzLevel } from './recipe.js';
import { runProgram } from './run-program.js';
import { setTimes } from './tree.js';

/** Makes NAME_VERSION_linux-ARCHITECTURE.tar.xz in `out`: the staged tree in one folder of the same name. */
export async function makeTarball(
  recipe: Recipe,
  build: Build,
  { work, out }: { readonly work: string; readonly out: string },
): Promise<string> {
  const top = `${recipe.name}_${build.version}_linux-${build.architecture}`;
  const parent = join(work, `tar-${recipe.name}`);
  const file = join(out, `${top}.tar.xz`);
  await rm(parent, { recursive: true, force: true });
  await mkdir(parent, { recursive: true });
  await cp(recipe.tree, join(parent, top), { recursive: true, verbatimSymlinks: true });
  await nameVersion(join(parent, top), build.version);
  await setTimes(parent, build.epoch);
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  const order = ['--sort=name', '--format=gnu', `--mtime=@${build.epoch}`];
  const compressor = `--use-compress-program=xz -T${XZ_THREADS} -${xzLevel(build)}`;
  await runProgram('tar', [
    '--create',
    ...owner,
    ...order,
    compressor,
    '-f',
    file,
    '-C',
    parent,
    top,
  ]);
  await rm(parent, { recursive: true });
  return file;
}

/** Where no dpkg knows it, the host finds its version in a file, also when a program of that version does not start. */
async function nameVersion(tree: string, version: string): Promise<void> {
  const path = 'usr/lib/hostward/VERSION';
  const content = `${version}\n`;
  await writeFile(join(tree, path), content);
  const sum = createHash('sha256').update(content).digest('hex');
  await appendFile(join(tree, 'SHA256SUMS'), `${sum}  ${path}\n`);
}
