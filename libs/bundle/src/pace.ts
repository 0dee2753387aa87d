import { MAX_REPORT_INTERVAL_MS, REPORT_INTERVAL_MS } from '#contracts';
import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  KeyRing,
  type SignedDocument,
  payloadTypes,
  signDocument,
  verifyDocument,
} from './dsse.js';
import { malformed } from './errors.js';
import { type Parser, integer, object, version1 } from './shape.js';
import type { PublicKey, Signer } from './signing-key.js';

/** How often all hosts are to report while nothing changes; `at` (ms since 1970) orders two of them. */
export interface PaceOrder {
  readonly v: 1;
  readonly at: number;
  readonly reportEveryMs: number;
}

const MAX_BYTES = 1_024;

/** Beyond these bounds nobody may order it: a host that hardly reports would be as good as silent. */
const interval: Parser<number> = (value, path) => {
  const ms = integer(REPORT_INTERVAL_MS)(value, path);
  if (ms > MAX_REPORT_INTERVAL_MS) malformed(path, `must be at most ${MAX_REPORT_INTERVAL_MS}`);
  return ms;
};

const parseShape = object({ v: version1, at: integer(0), reportEveryMs: interval });

/** Signs an order, by the online key; throws RefusedError where no host would take it. */
export function signPace(order: PaceOrder, signer: Signer): SignedDocument {
  parseShape(order, 'pace');
  return signDocument(payloadTypes.pace, canonicalBytes(order), [signer]);
}

/** Verifies by one of the online keys, then parses; throws RefusedError. */
export function verifyPace(signed: unknown, keys: readonly PublicKey[]): PaceOrder {
  const trust = {
    payloadType: payloadTypes.pace,
    keys: new KeyRing(keys),
    threshold: 1,
    maxBytes: MAX_BYTES,
  };
  const payload = verifyDocument(signed, trust, 'pace');
  return parseShape(parseCanonical(payload, 'pace', MAX_BYTES), 'pace');
}
