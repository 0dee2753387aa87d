import { certificatesIn, fingerprint } from '#pki';
import { CommandFailed } from '../output/errors.js';
import type { Context } from './context.js';

/** Of the first CA that is trusted, which is the one that signs: what hosts pin. Throws where the context names none. */
export function caFingerprintOf({ ca, url }: Context): string {
  const [first] = ca === undefined ? [] : certificatesIn(ca);
  if (first !== undefined) return fingerprint(first);
  throw new CommandFailed(
    `the CA of ${url} is not known here, so no host could pin it`,
    'set HOSTWARD_CA to its file, or name it by `hostward login --ca FILE`',
  );
}
