import {
  AUDIT_LOG_START,
  RefusedError,
  followsInAuditLog,
  verifyAuditLogHead,
  type AuditLogPoint,
  type PublicKey,
} from '#bundle';
import type { AuditLogEntryView, AuditLogHeadView } from '#contracts';
import type { Held, HeldHead } from './held-heads.js';
import { confirmed, isLost, restoreToldBy, type ConfirmedRestore } from './restorations.js';

/** Where entries and heads come from; nothing of it is believed before it is verified. */
export interface AuditLogSource {
  head(): Promise<AuditLogHeadView>;
  headAt(seq: number): Promise<AuditLogHeadView>;
  from(seq: number, limit: number): Promise<readonly AuditLogEntryView[]>;
  /** What hosts hold, as far as these keys signed it; asked before the head, which is not behind it then. */
  held(keys: readonly PublicKey[]): Promise<Held>;
}

/** What the last run saw: the end of the audit log, and whose signature it believed. */
export interface KeptHead extends AuditLogPoint {
  readonly keys: readonly PublicKey[];
  /** When the head was signed, in ms since 1970. */
  readonly at?: number;
  /** Restores that the operator has confirmed. */
  readonly restored?: readonly ConfirmedRestore[];
}

/** `badSeq` is the first entry that is not what it was, or is missing. */
export type AuditLogVerdict =
  | {
      readonly whole: true;
      readonly head: KeptHead;
      readonly verified: number;
      /** Numbers of entries that say that the head in etcd had been set back or written. */
      readonly resumed: readonly number[];
      readonly held: Held;
    }
  | (Broken & {
      /** Numbers of entries before that tell of a restore which nobody has confirmed here. */
      readonly restored: readonly number[];
    });

interface Broken {
  readonly whole: false;
  readonly badSeq: number;
  readonly why: string;
}

const PAGE = 500;

interface Inquiry {
  readonly source: AuditLogSource;
  readonly kept?: KeptHead;
  readonly since?: number;
  /** The entry that tells of a restore which the operator confirms. */
  readonly restored?: number;
  /** Online keys of a root document that the operator believes; absent: those of the last run, or at first any. */
  readonly keys?: readonly PublicKey[];
}

/**
 * Reads the audit log from `since` to the signed head, computes it anew, and compares it with the head of the last run
 * and with those that hosts hold: an edit, a gap, a truncation or a chain made anew is found. What a restore lost that
 * the operator has confirmed is not asked for. Throws RefusedError for a head that is not signed by a key that is believed.
 */
export async function verifyAuditLog(inquiry: Inquiry): Promise<AuditLogVerdict> {
  const { source, kept, since = 1 } = inquiry;
  const believed = inquiry.keys ?? kept?.keys ?? (await source.head()).keys;
  const held = await source.held(believed);
  const { head: signed } = await source.head();
  const restores = await confirmedRestores(inquiry, believed);
  const head =
    signed === undefined ? { ...AUDIT_LOG_START, at: 0 } : verifyAuditLogHead(signed, believed);
  const seen = [
    ...seenBefore(kept, held).filter((each) => !isLost(each, restores)),
    ...restores.map((restore) => ({ ...restore, at: restore.restoredAt, node: LAST_RUN })),
  ];
  const chain = await judge({ source, seen, since }, head, believed);
  const { seq, hash, at } = head;
  if (chain.whole)
    return { ...chain, held, head: { seq, hash, at, keys: believed, restored: restores } };
  const told = await restoresTold(source, since, believed);
  const open = told.filter(
    (each) => each <= chain.badSeq && !restores.some(({ seq: n }) => n === each),
  );
  return { ...chain, restored: open };
}

async function judge(
  reading: Reading,
  head: AuditLogPoint,
  keys: readonly PublicKey[],
): Promise<Chain> {
  const own = { ...head, at: 0, node: '' };
  const farthest = reading.seen.reduce((a, b) => (b.seq > a.seq ? b : a), own);
  if (farthest.seq > head.seq) return broken(head.seq + 1, endsBefore(farthest, head));
  if (head.seq === 0) return { whole: true, verified: 0, resumed: [] };
  const chain = await readChain(reading, head);
  if (chain.whole) return chain;
  const { source, since } = reading;
  return { ...chain, badSeq: await firstUnsigned(source, keys, since, chain.badSeq) };
}

function seenBefore(kept: KeptHead | undefined, { heads }: Held): readonly HeldHead[] {
  // One that was kept without a time is older than any restore that is confirmed now.
  return [...(kept ? [{ ...kept, at: kept.at ?? 0, node: LAST_RUN }] : []), ...heads];
}

async function confirmedRestores(
  { source, kept, restored }: Inquiry,
  keys: readonly PublicKey[],
): Promise<readonly ConfirmedRestore[]> {
  const before = kept?.restored ?? [];
  if (restored === undefined || before.some(({ seq }) => seq === restored)) return before;
  const [entry] = await source.from(restored, 1);
  return [...before, confirmed(entry, restored, keys)];
}

/** Numbers of the entries that tell of a restore. */
async function restoresTold(
  source: AuditLogSource,
  since: number,
  keys: readonly PublicKey[],
): Promise<readonly number[]> {
  const found: number[] = [];
  for (let next = since; ;) {
    const page = await source.from(next, PAGE);
    found.push(...page.filter((entry) => restoreToldBy(entry, keys)).map(({ seq }) => seq));
    const last = page.at(-1);
    if (last === undefined || last.seq < next) return found;
    next = last.seq + 1;
  }
}

type Chain =
  { readonly whole: true; readonly verified: number; readonly resumed: readonly number[] } | Broken;

/** How the operator's own last run is called among the hosts. */
const LAST_RUN = '';

interface Reading {
  readonly source: AuditLogSource;
  readonly seen: readonly HeldHead[];
  readonly since: number;
}

async function readChain({ source, seen, since }: Reading, head: AuditLogPoint): Promise<Chain> {
  const claims = Map.groupBy(seen, ({ seq }) => seq);
  let last = await startOf(source, since);
  const resumed: number[] = [];
  while (last.seq < head.seq) {
    const page = (await source.from(last.seq + 1, PAGE)).filter(({ seq }) => seq <= head.seq);
    if (page.length === 0) return broken(last.seq + 1, 'it is missing');
    for (const entry of page) {
      if (!follows(last, entry))
        return broken(
          last.seq + 1,
          entry.seq === last.seq + 1 ? 'it was changed' : 'it is missing',
        );
      const other = claims.get(entry.seq)?.find(({ hash }) => hash !== entry.hash);
      if (other) return broken(entry.seq, `it is not the one that ${whoSaw(other)} saw`);
      if (entry.action === 'audit-log.resumed') resumed.push(entry.seq);
      last = entry;
    }
  }
  if (last.hash !== head.hash) return broken(head.seq, 'the chain does not end in the signed head');
  return { whole: true, verified: Math.max(0, head.seq - since + 1), resumed };
}

/** What comes before `since` is not looked at: the first entry says itself what it follows. */
async function startOf(source: AuditLogSource, since: number): Promise<AuditLogPoint> {
  if (since <= 1) return AUDIT_LOG_START;
  const [first] = await source.from(since, 1);
  return { seq: since - 1, hash: first?.seq === since ? first.prev : '' };
}

/** A chain that was computed anew is whole in itself up to a point: the entries' own signed heads say where it began. */
async function firstUnsigned(
  source: AuditLogSource,
  keys: readonly PublicKey[],
  since: number,
  bad: number,
): Promise<number> {
  let low = since;
  let high = bad;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isSigned(source, keys, middle)) low = middle + 1;
    else high = middle;
  }
  return high;
}

async function isSigned(
  source: AuditLogSource,
  keys: readonly PublicKey[],
  seq: number,
): Promise<boolean> {
  const [entry] = await source.from(seq, 1);
  const { head } = await source.headAt(seq);
  try {
    const signed = verifyAuditLogHead(head, keys);
    return signed.seq === seq && entry?.seq === seq && signed.hash === entry.hash;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}

/** What cannot be put into canonical form follows nothing. */
function follows(last: AuditLogPoint, entry: AuditLogEntryView): boolean {
  try {
    return followsInAuditLog(last, entry);
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}

function endsBefore(farthest: HeldHead, { seq }: AuditLogPoint): string {
  const now = seq === 0 ? 'now there is none' : 'now it ends before';
  return `${whoSaw(farthest)} saw entries up to ${farthest.seq}, ${now}`;
}

function whoSaw({ node }: HeldHead): string {
  return node === LAST_RUN ? 'the last run' : `host ${node}`;
}

function broken(badSeq: number, why: string): Broken {
  return { whole: false, badSeq, why };
}
