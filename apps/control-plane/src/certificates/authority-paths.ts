import { dirname, join } from 'node:path';

/** A certificate and its key in files. */
interface PairPaths {
  readonly cert: string;
  readonly key: string;
}

/** Where the authorities of an installation lie. */
export interface AuthorityPaths {
  /** Every authority that is trusted now, PEM: what all programs of ours are given as their CA. */
  readonly trusted: string;
  /** The one that signs. */
  readonly issuing: PairPaths;
  /** The one that is to follow it, from the beginning of a replacement until it signs. */
  readonly next: PairPaths;
  /** The certificate of the one that it has followed, until the end of the replacement; its key is gone. */
  readonly previous: string;
}

/** The further ones lie beside the key of the first. */
export function authorityPaths(named: {
  readonly trusted: string;
  readonly cert: string;
  readonly key: string;
}): AuthorityPaths {
  const beside = (name: string): string => join(dirname(named.key), name);
  return {
    trusted: named.trusted,
    issuing: { cert: named.cert, key: named.key },
    next: { cert: beside('authority-next.pem'), key: beside('ca-next.key') },
    previous: beside('authority-previous.pem'),
  };
}
