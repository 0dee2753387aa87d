import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeMinimumVersions, type MinimumVersions, type TrustedRoot, trustRoot } from '#bundle';
import { wordsOf } from './words-of.js';

/** Whom this host believes and what only it can open: from files of root's, read anew for each compilation. */
export interface Trust {
  readonly trustedRoot: TrustedRoot;
  readonly nodeId: string;
  readonly sealingPrivateKey: string;
  /** Versions of documents that were seen, kept by the sensor; absent before the first delivery of authored mode. */
  readonly minimumVersions?: MinimumVersions;
}

/** The host is not enrolled, or its trust files cannot be read or are not what they should be. */
export class TrustError extends Error {
  override readonly name = 'TrustError';
}

const MAX_FILE_BYTES = 128 * 1024;
const MAX_MINIMUM_VERSIONS_BYTES = 1024 * 1024;

/** @throws TrustError naming the file */
export async function readTrust(trustDir: string, sealingKeyFile: string): Promise<Trust> {
  const [root, nodeId, sealingPrivateKey, minimumVersions] = await Promise.all([
    readSmall(join(trustDir, 'root.json')),
    readSmall(join(trustDir, 'node-id')),
    readSmall(sealingKeyFile),
    readMinimumVersions(join(trustDir, 'minimum-versions.json')),
  ]);
  if (!/^[0-9a-f]{64}$/.test(nodeId)) throw new TrustError(`${trustDir}/node-id is not a node id`);
  return { trustedRoot: parseRoot(root, trustDir), nodeId, sealingPrivateKey, minimumVersions };
}

/** One that is there and cannot be read is an error: without it, what was seen could go back. */
async function readMinimumVersions(file: string): Promise<MinimumVersions | undefined> {
  try {
    const bytes = await readFile(file);
    if (bytes.byteLength > MAX_MINIMUM_VERSIONS_BYTES) throw new Error('is too large');
    return decodeMinimumVersions(bytes);
  } catch (cause) {
    if (typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT')
      return undefined;
    throw new TrustError(`${file}: ${wordsOf(cause)}`, { cause });
  }
}

function parseRoot(text: string, trustDir: string): TrustedRoot {
  try {
    return trustRoot(JSON.parse(text));
  } catch (cause) {
    const words = wordsOf(cause);
    throw new TrustError(`${trustDir}/root.json: ${words}`, { cause });
  }
}

async function readSmall(file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8');
    if (text.length > MAX_FILE_BYTES) throw new Error('is too large');
    return text.trim();
  } catch (cause) {
    const words = wordsOf(cause);
    throw new TrustError(`${file}: ${words}`, { cause });
  }
}
