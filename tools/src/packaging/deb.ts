import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addDocuments, filledIn } from './documents.js';
import { type Build, type Recipe, recipeFolder, XZ_THREADS, xzLevel } from './recipe.js';
import { runProgram } from './run-program.js';
import { copyInstalled, filesOf, installedKib, setTimes } from './tree.js';

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'];

/** Makes NAME_VERSION_ARCHITECTURE.deb in `out`, the same bytes for the same tree; `work` is made and removed. */
export async function makeDeb(
  recipe: Recipe,
  build: Build,
  { work, out }: { readonly work: string; readonly out: string },
): Promise<string> {
  const tree = join(work, `deb-${recipe.name}`);
  const file = join(out, `${recipe.name}_${build.version}_${build.architecture}.deb`);
  await rm(tree, { recursive: true, force: true });
  await mkdir(tree, { recursive: true });
  await copyInstalled(recipe.tree, tree);
  await addDocuments(tree, recipe, build);
  await addControl(tree, recipe, build);
  await setTimes(tree, build.epoch);
  // A machine that emulates unpacks xz in minutes; zstd is not to every dpkg's taste.
  const kind = build.fast ? ['-Zgzip', '-z1'] : ['-Zxz', `-z${xzLevel(build)}`];
  const compression = [...kind, `--threads-max=${XZ_THREADS}`];
  await runProgram('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, file], {
    more: { SOURCE_DATE_EPOCH: String(build.epoch) },
  });
  await rm(tree, { recursive: true });
  return file;
}

async function addControl(tree: string, recipe: Recipe, build: Build): Promise<void> {
  const from = recipeFolder(build, recipe);
  const installed = await filesOf(tree);
  const words = {
    VERSION: build.version,
    ARCHITECTURE: build.architecture,
    INSTALLED_SIZE: String(await installedKib(tree)),
  };
  const control = join(tree, 'DEBIAN');
  await mkdir(control);
  await writeFile(join(control, 'control'), await filledIn(join(from, 'control'), words));
  const sums = await Promise.all(installed.map(async (path) => md5Line(tree, path)));
  await writeFile(join(control, 'md5sums'), sums.join(''));
  const conffiles = installed.filter((path) => path.startsWith('etc/'));
  if (conffiles.length > 0)
    await writeFile(join(control, 'conffiles'), conffiles.map((path) => `/${path}\n`).join(''));
  for (const script of SCRIPTS) {
    if (!existsSync(join(from, script))) continue;
    await copyFile(join(from, script), join(control, script));
    await chmod(join(control, script), 0o755);
  }
}

async function md5Line(tree: string, path: string): Promise<string> {
  const digest = createHash('md5').update(await readFile(join(tree, path)));
  return `${digest.digest('hex')}  ${path}\n`;
}
