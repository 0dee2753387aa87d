import type { AssignmentVersion } from '#contracts';
import { type Parser, integer, object, text } from './shape.js';
import { malformed } from './errors.js';

const U64_MAX = 2n ** 64n - 1n;

/** Decimal without leading zeros that fits 64 bits unsigned, as the sensor's protocol carries it. */
export const decimal: Parser<string> = (value, path) => {
  const digits = text(20, /^(0|[1-9][0-9]*)$/)(value, path);
  if (BigInt(digits) > U64_MAX) malformed(path, 'does not fit 64 bits');
  return digits;
};

/** Strict parser of (epoch, generation, issuedAt). */
export const parseAssignmentVersion: Parser<AssignmentVersion> = object({
  epoch: decimal,
  generation: decimal,
  issuedAt: integer(0),
});

/** Negative, zero or positive as `a` is older than, the same as or newer than `b`: epoch, then generation, then time. */
export function compareAssignmentVersion(a: AssignmentVersion, b: AssignmentVersion): -1 | 0 | 1 {
  return (
    compare(BigInt(a.epoch), BigInt(b.epoch)) ||
    compare(BigInt(a.generation), BigInt(b.generation)) ||
    compare(a.issuedAt, b.issuedAt)
  );
}

function compare<T extends bigint | number>(a: T, b: T): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
