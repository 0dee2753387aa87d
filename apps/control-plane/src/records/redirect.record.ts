import { anything, instant, matching, parseJson, record, text, version1 } from '../http/shape.js';

/** A redirect as `redirect/{id}` holds it: what the root keys signed, and who brought it. */
export interface RedirectRecord {
  readonly v: 1;
  /** DSSE; verified whenever it is used, since who writes etcd could have put it there. */
  readonly envelope: unknown;
  readonly by: string;
  readonly at: string;
}

const stored = record<RedirectRecord>({
  v: version1,
  envelope: anything,
  by: text(300),
  at: instant,
});

const id = matching(/^[0-9]{1,16}$/, 'must be the time at which it was signed, in ms since 1970');

/** Reads the id of a stored redirect, the end of its key; throws ShapeError. */
export function redirectId(name: string): string {
  return id(name, 'id');
}

/** Reads a stored redirect; throws ShapeError. */
export function decodeRedirect(bytes: Uint8Array): RedirectRecord {
  return stored(parseJson(bytes, 'redirect'), 'redirect');
}
