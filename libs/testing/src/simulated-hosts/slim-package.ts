import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { execPath } from 'node:process';
import { mustRun } from '../lab/run-command.js';

/** A folder of packages as `hostward package` leaves it. */
export interface SlimRelease {
  readonly dir: string;
  /** The one package in it. */
  readonly file: string;
  readonly bytes: number;
}

/**
 * Copies the staged tree of a host for simulated ones, which share this machine's Node: all of it but for that program,
 * which a line of shell stands for. Fifty of them would else carry five gigabytes.
 */
export async function slimTree(stagedDir: string, tree: string): Promise<void> {
  await mkdir(dirname(tree), { recursive: true });
  await cp(stagedDir, tree, { recursive: true, verbatimSymlinks: true });
  const node = join(tree, 'usr/lib/hostward/node');
  await rm(node);
  await writeFile(node, `#!/bin/sh\nexec '${execPath}' "$@"\n`, { mode: 0o755 });
}

/** Packs such a tree as an archive, with signed sums. */
export async function slimRelease(stagedDir: string, dir: string): Promise<SlimRelease> {
  const name = 'hostward-agent_0.0.0_linux-amd64';
  const tree = join(dir, name);
  await slimTree(stagedDir, tree);
  await writeFile(join(tree, 'SHA256SUMS'), await sumsOf(tree));
  const file = `${name}.tar.gz`;
  await mustRun('tar', ['-czf', join(dir, `${file}.new`), '-C', dir, name]);
  await rename(join(dir, `${file}.new`), join(dir, file));
  await rm(tree, { recursive: true });
  const content = await readFile(join(dir, file));
  await signRelease(dir, `${sha256(content)}  ${file}\n`);
  return { dir, file, bytes: content.length };
}

async function signRelease(dir: string, sums: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  await writeFile(join(dir, 'SHA256SUMS'), sums);
  await writeFile(join(dir, 'SHA256SUMS.sig'), sign(null, Buffer.from(sums), privateKey));
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  await writeFile(join(dir, 'release.pub.pem'), pem);
}

async function sumsOf(tree: string): Promise<string> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !['SHA256SUMS', 'CONTENT'].includes(basename(path)));
  const lines = await Promise.all(
    files.map(async (path) => `${sha256(await readFile(path))}  ${relative(tree, path)}\n`),
  );
  return lines.join('');
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
