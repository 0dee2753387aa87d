import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hostPackage, MACHINES, type HostPackage } from '#contracts';
import { CommandFailed, UsageError } from '../output/errors.js';
import { HostFailure } from './failure.js';

const SUMS = 'SHA256SUMS';

/** A package on this machine, whose sum was counted here. */
export interface PackageFile extends HostPackage {
  readonly path: string;
  readonly bytes: number;
}

/** The packages to install: those that are named, else all of a folder. Throws where one is not as it was made. */
export async function readPackages(
  named: readonly string[],
  folder: string,
): Promise<readonly PackageFile[]> {
  const paths = named.length > 0 ? named : await packagesIn(folder);
  return Promise.all(paths.map(readPackage));
}

/** The package for a machine: dpkg's where it has dpkg. Throws HostFailure where there is none. */
export function packageFor(
  packages: readonly PackageFile[],
  { machine, dpkg }: { readonly machine: string; readonly dpkg: boolean },
): PackageFile {
  const fitting = packages.filter(({ arch }) => MACHINES[arch] === machine);
  const found =
    (dpkg ? fitting.find(({ format }) => format === 'deb') : undefined) ??
    fitting.find(({ format }) => format === 'tar');
  if (found !== undefined) return found;
  const there = packages.map(({ file }) => file).join(', ');
  const lacks = fitting.length > 0 ? `${machine} without dpkg` : machine;
  throw new HostFailure('architecture', `there is no package for ${lacks}; there is: ${there}`);
}

/** What the sums of a folder name: what an earlier build left there is not of the release. */
async function packagesIn(folder: string): Promise<string[]> {
  const sums = (await readIfThere(join(folder, SUMS))) ?? '';
  const names = sums.split('\n').map((line) => line.slice(66));
  const found = names.filter((name) => hostPackage(name, '') !== undefined);
  if (found.length > 0) return found.map((name) => join(folder, name));
  throw new CommandFailed(
    `${folder} holds no package of the agent`,
    'make them by `hostward package`, or name one by --package FILE',
  );
}

async function readPackage(path: string): Promise<PackageFile> {
  const file = basename(path);
  const { size, sha256 } = await measured(path);
  const known = hostPackage(file, sha256);
  if (known === undefined)
    throw new UsageError(
      `--package ${path} is no package of the agent by its name: hostward-agent_VERSION_ARCH.deb, or _linux-ARCH.tar.xz`,
    );
  await checkSum(path, file, sha256);
  return { ...known, path, bytes: size };
}

async function measured(path: string): Promise<{ size: number; sha256: string }> {
  try {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
    return { size: (await stat(path)).size, sha256: hash.digest('hex') };
  } catch (cause) {
    throw new CommandFailed(`cannot read the package ${path}: ${String(cause)}`, undefined, {
      cause,
    });
  }
}

/** Where the sums lie beside it, the package must be the one that they name. */
async function checkSum(path: string, file: string, sha256: string): Promise<void> {
  const list = join(dirname(path), SUMS);
  const text = await readIfThere(list);
  if (text === undefined) return;
  const line = text.split('\n').find((each) => each.slice(66) === file);
  if (line?.slice(0, 64) === sha256) return;
  throw new CommandFailed(
    `${path} is not the package that ${list} names: it has the sum ${sha256}, there it is ${line?.slice(0, 64) ?? 'not named'}`,
    'make the packages anew by `hostward package`',
  );
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
