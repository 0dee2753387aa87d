import { createHash } from 'node:crypto';
import {
  anything,
  count,
  instant,
  matching,
  parseJson,
  record,
  text,
  version1,
} from '../shape/shape.js';

/** Who did what to what; `detail` is small and holds no secret. */
export interface JournalDraft {
  readonly by: string;
  readonly action: string;
  readonly target: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** One link of the chain: `hash` is over everything else, `previous` is the hash of the entry before. */
export interface JournalEntry extends Required<JournalDraft> {
  readonly v: 1;
  readonly seq: number;
  readonly at: string;
  readonly previous: string;
  readonly hash: string;
}

/** Where the chain ends. */
export interface JournalHead {
  readonly v: 1;
  readonly seq: number;
  readonly hash: string;
}

/** The head of an empty journal. */
export const EMPTY_HEAD: JournalHead = { v: 1, seq: 0, hash: '0'.repeat(64) };

const hex64 = matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');
const head = record<JournalHead>({ v: version1, seq: count, hash: hex64 });
const entry = record<Omit<JournalEntry, 'detail'> & { readonly detail: unknown }>({
  v: version1,
  seq: count,
  at: instant,
  by: text(300),
  action: text(100),
  target: text(600),
  detail: anything,
  previous: hex64,
  hash: hex64,
});

/** Reads a stored head; throws ShapeError. */
export function decodeHead(bytes: Uint8Array): JournalHead {
  return head(parseJson(bytes, 'journal'), 'journal');
}

/** Reads a stored entry; throws ShapeError. */
export function decodeEntry(bytes: Uint8Array): JournalEntry {
  const read = entry(parseJson(bytes, 'journal'), 'journal');
  return { ...read, detail: isDetail(read.detail) ? read.detail : {} };
}

/** The entry that follows `previous`. */
export function nextEntry(previous: JournalHead, draft: JournalDraft, at: string): JournalEntry {
  const content = {
    v: 1 as const,
    seq: previous.seq + 1,
    at,
    by: draft.by,
    action: draft.action,
    target: draft.target,
    detail: draft.detail ?? {},
    previous: previous.hash,
  };
  return { ...content, hash: hashOf(content) };
}

/** Whether `entries` (ascending, complete) are a chain from `start` on; else the first sequence that is wrong. */
export function brokenAt(start: JournalHead, entries: readonly JournalEntry[]): number | undefined {
  let last = start;
  for (const each of entries) {
    const { hash, ...content } = each;
    const linked = each.seq === last.seq + 1 && each.previous === last.hash;
    if (!linked || hashOf(content) !== hash) return each.seq;
    last = { v: 1, seq: each.seq, hash };
  }
  return undefined;
}

/** The fields are written in one order, so that the text of an entry is determined by its values. */
function hashOf(content: Omit<JournalEntry, 'hash'>): string {
  const { v, seq, at, by, action, target, detail, previous } = content;
  const text = JSON.stringify([v, seq, at, by, action, target, detail, previous]);
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

function isDetail(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
