import { certificatesIn, fingerprint } from '#pki';
import { CommandFailed, messageOf } from '../output/errors.js';
import type { Context } from './context.js';

/**
 * Which control plane a context means: its URL and the fingerprints of the CAs that it may be of. One that was made anew
 * at the same address is another one. Throws CommandFailed where `ca` holds
 * what is no certificate.
 */
export function identityOf({ url, ca }: Pick<Context, 'url' | 'ca'>): string {
  try {
    const trusted = ca === undefined ? [] : certificatesIn(ca).map(fingerprint);
    return [url, ...trusted.toSorted()].join('\n');
  } catch (error) {
    throw new CommandFailed(`the CA of ${url} cannot be read: ${messageOf(error)}`);
  }
}
