import { hash } from 'node:crypto';
import { canonicalBytes } from './canonical.js';
import type { SignedDocument } from './dsse.js';
import type { AuditLogHead } from './audit-log.js';
import { limits } from './limits.js';

/** A head of the audit log whose signature was checked, with the envelope that proves it to others. */
export interface SeenHead {
  readonly head: AuditLogHead;
  readonly signed: SignedDocument;
}

/**
 * What a host keeps of the heads that it has seen, oldest first, after one more: the first and the greatest always, and
 * in between fewer the older they are, `limits.auditLogHeadsPerHost` in all. A smaller one than the greatest is dropped:
 * it proves nothing that the greatest does not. Two heads of one number are a proof of two histories: both stay.
 */
export function keepHead(seen: readonly SeenHead[], next: SeenHead): readonly SeenHead[] {
  const greatest = seen.at(-1)?.head.seq ?? 0;
  const { seq, hash } = next.head;
  const same = seen.filter(({ head }) => head.seq === seq);
  if (same.some(({ head }) => head.hash === hash)) return seen;
  // One such proof is enough, and their number is bounded.
  if (same.length > 0 && isForked(seen)) return seen;
  if (same.length === 0 && seq < greatest) return seen;
  return thinned([...seen, next].sort((a, b) => a.head.seq - b.head.seq));
}

/** Whether two of these heads cannot be of one audit log. */
export function isForked(seen: readonly SeenHead[]): boolean {
  return new Set(seen.map(({ head }) => head.seq)).size < seen.length;
}

const names = new WeakMap<object, string>();

/**
 * Half of the SHA-256 (hex) of a head with its signatures, by which a report names those that its host holds: most hosts
 * hold the same ones. Throws RefusedError where it is nothing that JSON can carry.
 */
export function auditLogHeadName(signed: unknown): string {
  const isObject = typeof signed === 'object' && signed !== null;
  const known = isObject ? names.get(signed) : undefined;
  if (known !== undefined) return known;
  const name = hash('sha256', canonicalBytes(signed), 'hex').slice(0, 32);
  if (isObject) names.set(signed, name);
  return name;
}

function thinned(seen: readonly SeenHead[]): readonly SeenHead[] {
  if (seen.length <= limits.auditLogHeadsPerHost) return seen;
  const end = seen.at(-1)?.head.seq ?? 0;
  const weights = seen.map(({ head: { seq } }, index) => {
    const [before, after] = [seen[index - 1]?.head.seq, seen[index + 1]?.head.seq];
    const ends = before === undefined || after === undefined;
    if (ends || before === seq || after === seq) return Infinity;
    return (after - before) / (end - seq + 1);
  });
  const least = weights.indexOf(Math.min(...weights));
  return seen.filter((_, index) => index !== least);
}
