import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  ShapeError,
  count,
  instant,
  list,
  matching,
  oneOf,
  parseJson,
  record,
  version1,
} from '../../http/shape.js';

/** Names of the members that say what the others are. */
export const MANIFEST = 'manifest.json';
export const MANIFEST_SUM = 'manifest.sha256';

/** The snapshot of etcd among the members. */
export const ETCD_SNAPSHOT = 'etcd.db';

const MAX_MEMBERS = 256;

/** A file in a backup. */
export interface Member {
  /** Below the control plane's folder, but for {@link ETCD_SNAPSHOT}. */
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** What a backup says of itself. */
export interface Manifest {
  readonly v: 1;
  readonly hostward: 'backup';
  /** When the snapshot of etcd was asked for. */
  readonly at: string;
  readonly members: readonly Member[];
}

const sha256 = matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');
/** No member leads out of the folder into which it is put, or is hidden. */
const MEMBER_PATH = /^(?:(?:keys|pki)\/)?[\w-][\w.-]{0,99}$/;
const path = matching(MEMBER_PATH, 'must be a file of a backup');
const manifest = record<Manifest>({
  v: version1,
  hostward: oneOf(['backup']),
  at: instant,
  members: list(record<Member>({ path, bytes: count, sha256 }), MAX_MEMBERS),
});

/** Whether a restore takes a file of this path. */
export function isMemberPath(of: string): boolean {
  return MEMBER_PATH.test(of);
}

/** The text of a manifest, and that of the file with its sum. */
export function writeManifest(content: Manifest): { readonly text: string; readonly sum: string } {
  const text = `${JSON.stringify(content, null, 2)}\n`;
  return { text, sum: sumOf(text) };
}

/** Reads what `writeManifest` made. Throws ShapeError for anything else, also where it was changed. */
export function readManifest(text: string, sum: string): Manifest {
  const read = manifest(parseJson(Buffer.from(text), MANIFEST), MANIFEST);
  if (sum !== sumOf(text)) throw new ShapeError(MANIFEST, `is not what ${MANIFEST_SUM} says`);
  return read;
}

/** The member at `path`, which lies in `file`. */
export async function describeMember(path: string, file: string): Promise<Member> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

function sumOf(text: string): string {
  return `${createHash('sha256').update(text).digest('hex')}\n`;
}
