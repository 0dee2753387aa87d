import { createPublicKey, sign, verify } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { sha256Hex } from '#bundle';
import type { ReleaseKey } from './release-key.js';

const SUMS = 'SHA256SUMS';
const SIGNATURE = 'SHA256SUMS.sig';
const LINE = /^([0-9a-f]{64}) {2}([^/]+)$/;

/** A file of a release by its name, and its sha256 in hex. */
type FileSum = readonly [file: string, sha256: string];

/**
 * What `folder` holds of the release of this version already: files that its SHA256SUMS names, signed by the same key, and
 * that are there with that sum. Whoever makes one package adds to the others.
 */
export async function heldSums(
  folder: string,
  version: string,
  { key }: ReleaseKey,
): Promise<readonly FileSum[]> {
  const [sums, signature] = await Promise.all(
    [SUMS, SIGNATURE].map((name) => readIfThere(join(folder, name))),
  );
  if (sums === undefined || signature === undefined) return [];
  if (!verify(null, sums, createPublicKey(key), signature)) return [];
  const named = sums.toString('utf8').split('\n').flatMap(sumOf);
  const ofVersion = named.filter(([file]) => file.split('_')[1] === version);
  const isHeld = await Promise.all(ofVersion.map((sum) => holds(folder, sum)));
  return ofVersion.filter((_, at) => isHeld[at]);
}

/**
 * Writes into `out`, for `files` there and those of `held` that are not made anew: SHA256SUMS in the form of sha256sum,
 * SHA256SUMS.sig (Ed25519 over its bytes, 64 raw bytes), release.pub.pem (SPKI). Gives the fingerprint of the key: sha256
 * over its SPKI in hex.
 */
export async function signSums(
  out: string,
  files: readonly string[],
  { key }: ReleaseKey,
  held: readonly FileSum[] = [],
): Promise<string> {
  const made = files.map(async (file): Promise<FileSum> => [
    basename(file),
    sha256Hex(await readFile(file)),
  ]);
  const all = new Map([...held, ...(await Promise.all(made))]);
  const lines = [...all.keys()].toSorted().map((file) => `${all.get(file)}  ${file}\n`);
  const sums = lines.join('');
  const publicKey = createPublicKey(key);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  await writeFile(join(out, SUMS), sums);
  await writeFile(join(out, SIGNATURE), sign(null, Buffer.from(sums), key));
  await writeFile(join(out, 'release.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  return sha256Hex(spki);
}

function sumOf(line: string): FileSum[] {
  const [, sha256, file] = LINE.exec(line) ?? [];
  return sha256 === undefined || file === undefined ? [] : [[file, sha256]];
}

async function holds(folder: string, [file, sha256]: FileSum): Promise<boolean> {
  const content = await readIfThere(join(folder, file));
  return content !== undefined && sha256Hex(content) === sha256;
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
