import { ProblemError, invalidField } from './problem.error.js';

/** What a caller expects of the thing it writes: a revision, that it exists, or nothing. */
export type Expectation =
  | { readonly kind: 'none' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'revision'; readonly revision: bigint };

/** The ETag of a revision. */
export function etagOf(revision: string | bigint): string {
  return `"${revision}"`;
}

/** Reads If-Match: `"REVISION"`, `*`, or absent. Throws 400 for anything else. */
export function parseIfMatch(header: string | undefined): Expectation {
  if (header === undefined) return { kind: 'none' };
  if (header.trim() === '*') return { kind: 'exists' };
  const digits = /^(?:W\/)?"([0-9]{1,19})"$/.exec(header.trim())?.[1];
  if (digits !== undefined) return { kind: 'revision', revision: BigInt(digits) };
  throw invalidField(
    'If-Match',
    header,
    'is not the ETag of a revision',
    'send the ETag of the last answer',
  );
}

/** Throws 412 unless `current` (undefined: absent) is what was expected. */
export function checkExpectation(expected: Expectation, current: bigint | undefined): void {
  if (expected.kind === 'none') return;
  if (expected.kind === 'exists' && current !== undefined) return;
  if (expected.kind === 'revision' && current === expected.revision) return;
  const found = current === undefined ? 'it does not exist' : `its revision is ${current}`;
  throw new ProblemError('precondition-failed', { detail: `If-Match was not met: ${found}` });
}
