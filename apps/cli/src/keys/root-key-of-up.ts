import { join } from 'node:path';
import { readContexts } from '../client/context-file.js';
import { UsageError } from '../errors.js';
import { type Hand, type SigningOptions, handsOf } from './signing.js';

/** Holders of root keys: those that are named, or the key of `up` where this machine has it. Throws UsageError. */
export async function rootHandsOf(options: SigningOptions): Promise<readonly Hand[]> {
  const keyFile = options.keyFile ?? (options.key ? undefined : await keyOfUp());
  return handsOf({ ...options, keyFile });
}

/** On the machine where `up` runs its root key is there. */
async function keyOfUp(): Promise<string> {
  const { current, contexts } = await readContexts();
  const dataDir = current === undefined ? undefined : contexts[current]?.dataDir;
  if (dataDir !== undefined) return join(dataDir, 'control-plane', 'keys', 'root.key');
  throw new UsageError('no root key is known here: add --key, --key-file, or use --draft');
}
