import { execFile } from 'node:child_process';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { cleanEnvironment, projectRoot } from './product.js';

const TIMEOUT_MS = 600_000;
const run = promisify(execFile);

/** Two packages of the agent, by path; the second is the first with a later version. */
export interface AgentPackages {
  readonly first: string;
  readonly second: string;
  readonly secondVersion: string;
}

/** Makes the package as a release does, but for the compression, and a later one of the same files. */
export async function agentPackages(folder: string): Promise<AgentPackages> {
  const out = join(folder, 'packages');
  const main = join(projectRoot, 'dist/apps/cli/src/main.js');
  await run(execPath, [main, 'package', 'hostward-agent', '--fast', '--out', out], {
    env: cleanEnvironment(),
    timeout: TIMEOUT_MS,
  });
  const name = (await readdir(out)).find((each) => /^hostward-agent_.*_amd64\.deb$/.test(each));
  if (name === undefined) throw new Error(`${out} has no package of the agent`);
  return twoVersions(join(out, name), folder);
}

/** The package `made`, and a later one of the same files, both in a compression that an emulated machine soon undoes. */
export async function twoVersions(made: string, folder: string): Promise<AgentPackages> {
  const tree = join(folder, 'tree');
  await run('dpkg-deb', ['--raw-extract', made, tree]);
  const control = await readFile(join(tree, 'DEBIAN/control'), 'utf8');
  const version = /^Version: (.*)$/m.exec(control)?.[1] ?? '';
  const build = async (each: string): Promise<string> => {
    const named = control.replace(/^Version: .*$/m, `Version: ${each}`);
    await writeFile(join(tree, 'DEBIAN/control'), named);
    const file = join(folder, `hostward-agent_${each}_amd64.deb`);
    const quickly = ['--root-owner-group', '-Zzstd', '-z1'];
    await run('dpkg-deb', [...quickly, '--build', tree, file], { timeout: TIMEOUT_MS });
    return file;
  };
  const secondVersion = `${version}+later`;
  const packages = { first: await build(version), second: await build(secondVersion) };
  await rm(tree, { recursive: true });
  return { ...packages, secondVersion };
}
