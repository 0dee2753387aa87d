import { validateDocument, type Group } from '#policy-model';
import {
  ShapeError,
  anything,
  instant,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';

/** A group as `group/{name}` holds it. */
export interface GroupRecord {
  readonly v: 1;
  readonly name: string;
  readonly owner?: string;
  readonly at: string;
  readonly by: string;
  readonly document: Group;
}

const stored = record<Omit<GroupRecord, 'document'> & { readonly document: unknown }>({
  v: version1,
  name: text(253),
  owner: optional(text(253)),
  at: instant,
  by: text(300),
  document: anything,
});

/** Reads a stored group; throws ShapeError. */
export function decodeGroup(bytes: Uint8Array): GroupRecord {
  const read = stored(parseJson(bytes, 'group'), 'group');
  const parsed = validateDocument(read.document, { mode: 'lenient' });
  if (parsed.document?.kind !== 'Group') throw new ShapeError('group.document', 'must be a Group');
  return { ...read, document: parsed.document };
}
