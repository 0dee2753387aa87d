import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';

/** The key that signs checksums, and whether it is one for development alone. */
export interface ReleaseKey {
  readonly key: KeyObject;
  readonly file: string;
  readonly isDevelopment: boolean;
}

/**
 * Reads the release key, an Ed25519 key in PKCS#8 PEM, from the file that HOSTWARD_RELEASE_KEY names. Without it a key
 * is made once under build/, which says nothing about who made a package.
 */
export async function releaseKey(root: string, named: string | undefined): Promise<ReleaseKey> {
  if (named !== undefined && named !== '')
    return { key: await readKey(named), file: named, isDevelopment: false };
  const file = join(root, 'build', 'release-key', 'development.key.pem');
  await makeOnce(file);
  return { key: await readKey(file), file, isDevelopment: true };
}

async function makeOnce(file: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, pem, { mode: 0o600, flag: 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
  });
}

async function readKey(file: string): Promise<KeyObject> {
  const refuse = (why: string, cause?: unknown): CommandFailed =>
    new CommandFailed(
      `HOSTWARD_RELEASE_KEY is ${file}: ${why}`,
      'make one by `openssl genpkey -algorithm ed25519 -out FILE`, with mode 0600',
      { cause },
    );
  const { mode } = await stat(file).catch((cause: Error) => {
    throw refuse(cause.message, cause);
  });
  if ((mode & 0o077) !== 0) throw refuse('it must be readable by its owner alone');
  try {
    const key = createPrivateKey(await readFile(file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw refuse('it must hold an Ed25519 private key in PEM, without a passphrase', cause);
  }
  throw refuse('it must hold an Ed25519 private key, and holds one of another kind');
}
