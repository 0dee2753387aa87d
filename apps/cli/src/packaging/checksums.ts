import { createHash, createPublicKey, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ReleaseKey } from './release-key.js';

/**
 * Writes into `out`, for the files there: SHA256SUMS in the form of sha256sum, SHA256SUMS.sig (Ed25519 over its bytes,
 * 64 raw bytes), release.pub.pem (SPKI). Gives the fingerprint of the key: sha256 over its SPKI in hex.
 */
export async function signSums(
  out: string,
  files: readonly string[],
  { key }: ReleaseKey,
): Promise<string> {
  const lines = await Promise.all(files.toSorted().map(sumLine));
  const sums = lines.join('');
  const publicKey = createPublicKey(key);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  await writeFile(join(out, 'SHA256SUMS'), sums);
  await writeFile(join(out, 'SHA256SUMS.sig'), sign(null, Buffer.from(sums), key));
  await writeFile(join(out, 'release.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  return createHash('sha256').update(spki).digest('hex');
}

async function sumLine(file: string): Promise<string> {
  const digest = createHash('sha256').update(await readFile(file));
  return `${digest.digest('hex')}  ${basename(file)}\n`;
}
