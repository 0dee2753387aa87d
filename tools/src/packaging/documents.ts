import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Build, Recipe } from './recipe.js';

const MAINTAINER = 'Hostward maintainers <maintainers@hostward.invalid>';

/** Puts copyright, changelog, SBOM and overrides of lintian into a package's tree. */
export async function addDocuments(tree: string, recipe: Recipe, build: Build): Promise<void> {
  const { name } = recipe;
  const folder = join(tree, 'usr/share/doc', name);
  const overrides = join(tree, 'usr/share/lintian/overrides');
  const from = join(build.root, 'packaging');
  await mkdir(folder, { recursive: true });
  await mkdir(overrides, { recursive: true });
  await cp(join(from, 'copyright'), join(folder, 'copyright'));
  await cp(join(from, name, 'lintian-overrides'), join(overrides, name));
  const changelog = gzipSync(changelogOf(name, build), { level: 9 });
  await writeFile(join(folder, 'changelog.gz'), changelog);
  await writeFile(join(folder, 'sbom.cdx.json'), build.sbom);
}

/** The changes are told by the commits; Debian wants to know which version this is and of when. */
function changelogOf(name: string, { version, epoch }: Build): string {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) stable; urgency=medium\n\n  * Version ${version}.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** A file of packaging/NAME/debian with its @WORDS@ filled in. */
export async function filledIn(file: string, words: Record<string, string>): Promise<string> {
  const text = await readFile(file, 'utf8');
  return text.replace(/@([A-Z_]+)@/g, (all, word: string) => words[word] ?? all);
}
