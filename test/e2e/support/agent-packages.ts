import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { cleanEnvironment } from './product.js';
import { TOOLS } from './running-command.js';

const TIMEOUT_MS = 600_000;
/** When each file of the two packages was written last, as `find` prints it: by that it is known whose a file is. */
export const TIMES = { first: '1700000000', second: '1700000001' };
const run = promisify(execFile);

/** Two packages of the agent, by path; the second is the first with a later version. */
export interface AgentPackages {
  readonly first: string;
  readonly second: string;
  readonly secondVersion: string;
}

/** Makes the package of the agent as a release does, but for the compression, and a later one of its files. */
export async function agentPackages(folder: string): Promise<AgentPackages> {
  return twoVersions(await makePackage(folder, 'hostward-agent'), folder);
}

/** Makes that of the control plane. */
export function controlPlanePackage(folder: string): Promise<string> {
  return makePackage(folder, 'hostward');
}

async function makePackage(folder: string, name: string): Promise<string> {
  const out = join(folder, 'packages');
  await runPackage([name, '--out', out], TIMEOUT_MS);
  const made = (await readdir(out)).find((each) => each.endsWith('_amd64.deb'));
  if (made === undefined) throw new Error(`${out} has no package`);
  return join(out, made);
}

/** Runs `package --fast`, which makes what a release does in a quicker compression. */
export async function runPackage(words: readonly string[], timeout: number): Promise<void> {
  await run(execPath, [...TOOLS, 'package', '--fast', ...words], {
    env: cleanEnvironment(),
    timeout,
  });
}

/** The package `made`, and a later one of the same files, both in a compression that an emulated machine soon undoes. */
export async function twoVersions(made: string, folder: string): Promise<AgentPackages> {
  const tree = join(folder, 'tree');
  await run('dpkg-deb', ['--raw-extract', made, tree]);
  const control = await readFile(join(tree, 'DEBIAN/control'), 'utf8');
  const version = /^Version: (.*)$/m.exec(control)?.[1] ?? '';
  const secondVersion = `${version}+later`;
  const packages = {
    first: await buildOf(TIMES.first, tree, version, folder),
    second: await buildOf(TIMES.second, tree, secondVersion, folder),
  };
  await rm(tree, { recursive: true });
  return { ...packages, secondVersion };
}

/** Version of a package whose program `name` under /usr/lib/hostward ends as soon as it is started. */
export function brokenVersionOf(name: string): string {
  return `9.0~broken.${name.replace(/[^a-z]/g, '')}`;
}

/** Makes that package of the files of `made`, in `folder`. */
export async function brokenVersion(made: string, name: string, folder: string): Promise<void> {
  const tree = join(folder, 'tree');
  await run('dpkg-deb', ['--raw-extract', made, tree]);
  await writeFile(join(tree, 'usr/lib/hostward', name), '#!/bin/sh\nexit 1\n');
  await build(tree, brokenVersionOf(name), folder);
  await rm(tree, { recursive: true });
}

/** Copies the tree of a tarball beside it as another version, with what is given in place of some of its files. */
export async function treeOfVersion(
  made: string,
  version: string,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const tree = join(made, '..', `hostward-agent_${version}`);
  await run('cp', ['-al', made, tree]);
  let sums = await readFile(join(tree, 'SHA256SUMS'), 'utf8');
  const all = { 'usr/lib/hostward/VERSION': `${version}\n`, ...files };
  for (const [path, content] of Object.entries(all)) {
    await rm(join(tree, path));
    await writeFile(join(tree, path), content, { mode: 0o755 });
    const sum = createHash('sha256').update(content).digest('hex');
    sums = sums.replace(new RegExp(`^[0-9a-f]{64}(?=  ${path}$)`, 'm'), sum);
  }
  await rm(join(tree, 'SHA256SUMS'));
  await writeFile(join(tree, 'SHA256SUMS'), sums);
  return tree;
}

async function buildOf(
  time: string,
  tree: string,
  version: string,
  folder: string,
): Promise<string> {
  await run('find', [tree, '-exec', 'touch', '-h', '-d', `@${time}`, '{}', '+']);
  return build(tree, version, folder);
}

/** Builds the tree of a package under another version. */
async function build(tree: string, version: string, folder: string): Promise<string> {
  const control = await readFile(join(tree, 'DEBIAN/control'), 'utf8');
  const named = control.replace(/^Version: .*$/m, `Version: ${version}`);
  await writeFile(join(tree, 'DEBIAN/control'), named);
  const file = join(folder, `hostward-agent_${version}_amd64.deb`);
  const quickly = ['--root-owner-group', '-Zzstd', '-z1'];
  await run('dpkg-deb', [...quickly, '--build', tree, file], { timeout: TIMEOUT_MS });
  return file;
}
