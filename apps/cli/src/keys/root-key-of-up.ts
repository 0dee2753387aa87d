import { join } from 'node:path';
import { storedContextInForce } from '../client/context.js';
import { UsageError } from '../output/errors.js';
import { type Hand, type SigningOptions, handsOf } from './signing.js';

/**
 * Holders of root keys: those that are named, or the key of the `up` that the context in force is of, which `named`
 * may choose. Throws UsageError.
 */
export async function rootHandsOf(
  options: SigningOptions,
  named?: string,
): Promise<readonly Hand[]> {
  const keyFile = options.keyFile ?? (options.key ? undefined : await keyOfUp(named));
  return handsOf({ ...options, keyFile });
}

/** On the machine where `up` runs its root key is there; that of another control plane signs nothing for this one. */
async function keyOfUp(named: string | undefined): Promise<string> {
  const dataDir = (await storedContextInForce(named))?.dataDir;
  if (dataDir !== undefined) return join(dataDir, 'control-plane', 'keys', 'root.key');
  throw new UsageError('no root key is known here: add --key, --key-file, or use --draft');
}
