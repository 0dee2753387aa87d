import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TrustedRoot, trustRoot } from '#bundle';
import { wordsOf } from './words-of.js';

/** Whom this host believes and what only it can open: from files of root's, read anew for each compilation. */
export interface Trust {
  readonly trustedRoot: TrustedRoot;
  readonly nodeId: string;
  readonly sealingPrivateKey: string;
}

/** The host is not enrolled, or its trust files cannot be read or are not what they should be. */
export class TrustError extends Error {
  override readonly name = 'TrustError';
}

const MAX_FILE_BYTES = 128 * 1024;

/** @throws TrustError naming the file */
export async function readTrust(trustDir: string, sealingKeyFile: string): Promise<Trust> {
  const [root, nodeId, sealingPrivateKey] = await Promise.all([
    readSmall(join(trustDir, 'root.json')),
    readSmall(join(trustDir, 'node-id')),
    readSmall(sealingKeyFile),
  ]);
  if (!/^[0-9a-f]{64}$/.test(nodeId)) throw new TrustError(`${trustDir}/node-id is not a node id`);
  return { trustedRoot: parseRoot(root, trustDir), nodeId, sealingPrivateKey };
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
