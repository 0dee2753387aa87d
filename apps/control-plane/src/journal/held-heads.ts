import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  RefusedError,
  limits,
  verifyJournalHead,
  type JournalPoint,
  type SignedDocument,
} from '#bundle';
import { Trust } from '../config/trust.js';
import { SignedJournal } from './signed-journal.js';

/** A host whose statement came, in a report that was sealed with its key. */
export interface Witness {
  readonly node: string;
  readonly nodeId: string;
}

/** Hosts have seen another journal than this one. */
export interface JournalAlarm {
  readonly node: string;
  /** Other hosts that have too. */
  readonly others: number;
  /** The newest head that this journal does not lead to. */
  readonly seen: JournalPoint;
  /** Number of the last entry here. */
  readonly end: number;
}

interface Said {
  readonly node: string;
  /** Digest of the statement's payload, which is long, and which the board of reports has. */
  readonly digest: string;
  /** Digest of the heads as they are in it. */
  readonly journal: string;
  readonly heads: readonly SignedHead[];
}

interface SignedHead extends JournalPoint {
  /** When it was signed, in ms since 1970. */
  readonly at: number;
  readonly keyids: readonly string[];
}

const LOOK_EVERY_MS = 5_000;
/** Fleet-wide there are few: every host hears the same ones. */
const MAX_REMEMBERED = 1_000;
const MAX_PAYLOAD_CHARS = Math.ceil(limits.statementBytes / 3) * 4;

/**
 * Compares the heads that hosts have seen, as they say in each report, with the journal: one that it does not lead to
 * proves that it was cut off or rewritten, unless the online key's word of a restore tells that it was lost. A host
 * cannot make one up, since the online key signed it: so its own signature, which would cost more than all else of a
 * report, is left to who asks for statements. A replica that lags behind another one for a moment is no proof,
 * so that an alarm is raised at the second look that finds it.
 */
@Injectable()
export class HeldHeads {
  readonly #said = new Map<string, Said>();
  /** By digest of the head as it came. */
  readonly #verified = new Map<string, SignedHead | undefined>();
  #suspected = false;
  #looking = false;
  #lookedAtMs: number | undefined;
  #alarm: JournalAlarm | undefined;

  constructor(
    private readonly journal: SignedJournal,
    private readonly trust: Trust,
  ) {}

  get alarm(): JournalAlarm | undefined {
    return this.#alarm;
  }

  /** Takes the heads that are in a host's statement; one that cannot be read says nothing. Never throws. */
  take({ node, nodeId }: Witness, statement: unknown): void {
    const payload = payloadOf(statement);
    if (payload === undefined) return;
    const digest = digestOf(payload);
    const said = this.#said.get(nodeId);
    // The same one rides in every report until there is a newer one.
    if (said?.digest === digest) return;
    const signed = headsIn(payload);
    if (!signed) return;
    const journal = digestOf(JSON.stringify(signed));
    // A newer one mostly has the same heads.
    const heads =
      said?.journal === journal ? said.heads : signed.flatMap((each) => this.#headIn(each) ?? []);
    this.#said.set(nodeId, { node, digest, journal, heads });
  }

  /** Forgets a host that is gone. */
  forget(nodeId: string): void {
    this.#said.delete(nodeId);
  }

  /** Looks anew where it is time to; true where the alarm began or ended. Rejects where the store cannot be read. */
  async look(nowMs: number): Promise<boolean> {
    if (this.#looking) return false;
    if (this.#lookedAtMs !== undefined && Math.abs(nowMs - this.#lookedAtMs) < LOOK_EVERY_MS)
      return false;
    this.#lookedAtMs = nowMs;
    this.#looking = true;
    try {
      return this.#judge(await this.#find());
    } finally {
      this.#looking = false;
    }
  }

  #judge(found: JournalAlarm | undefined): boolean {
    const before = this.#alarm !== undefined;
    this.#alarm = this.#suspected ? found : undefined;
    this.#suspected = found !== undefined;
    return before !== (this.#alarm !== undefined);
  }

  async #find(): Promise<JournalAlarm | undefined> {
    const said = [...this.#said.values()];
    const end = (await this.journal.end()).seq;
    // Every host has mostly the same ones: each is one object, however many have it.
    const names = await this.#strange([...new Set(said.flatMap(({ heads }) => heads))]);
    if (names.size === 0) return undefined;
    const strange = said.flatMap(({ node, heads }) => {
      const [newest] = heads
        .filter((head) => names.has(nameOf(head)))
        .toSorted((a, b) => b.seq - a.seq);
      return newest ? [{ node, newest }] : [];
    });
    const [first] = strange.toSorted((a, b) => b.newest.seq - a.newest.seq);
    if (!first) return undefined;
    const { seq, hash } = first.newest;
    return { node: first.node, others: strange.length - 1, seen: { seq, hash }, end };
  }

  /** Names of those that this journal does not lead to. */
  async #strange(heads: readonly SignedHead[]): Promise<ReadonlySet<string>> {
    // Heads of a key that the root document has taken back prove nothing any more.
    const keys = new Set(this.trust.root.document.online.map(({ keyid }) => keyid));
    const restorations = await this.journal.restorations();
    // What a restore lost was signed before it, and its number was given again since.
    const isLost = ({ seq, at }: SignedHead): boolean =>
      restorations.some((told) => seq >= told.seq && at <= told.restoredAt);
    const counting = heads.filter(({ keyids }) => keyids.some((keyid) => keys.has(keyid)));
    const strange = new Set<string>();
    // Each once, however many hosts have it.
    for (const [name, head] of new Map(counting.map((head) => [nameOf(head), head])))
      if (!isLost(head) && !(await this.journal.leadsTo(head))) strange.add(name);
    return strange;
  }

  #headIn(signed: unknown): SignedHead | undefined {
    // One that a host makes up may be as long as a statement.
    const digest = digestOf(JSON.stringify(signed));
    if (this.#verified.has(digest)) return this.#verified.get(digest);
    const head = unlessRefused(() => verifyJournalHead(signed, this.trust.root.document.online));
    const found = head && { ...head, keyids: keyidsOf(signed) };
    if (this.#verified.size >= MAX_REMEMBERED) this.#verified.clear();
    this.#verified.set(digest, found);
    return found;
  }
}

/** Of a document whose signatures were verified. */
function keyidsOf(signed: unknown): readonly string[] {
  return (signed as SignedDocument).signatures.map(({ keyid }) => keyid);
}

function payloadOf(statement: unknown): string | undefined {
  const payload = (statement as Partial<SignedDocument> | undefined | null)?.payload;
  return typeof payload === 'string' && payload.length <= MAX_PAYLOAD_CHARS ? payload : undefined;
}

/** The heads in a statement, as they came; undefined where there is no list of as many as a host may keep. */
function headsIn(payload: string): readonly unknown[] | undefined {
  try {
    const text = Buffer.from(payload, 'base64').toString('utf8');
    const { journal } = JSON.parse(text) as { readonly journal?: unknown };
    return Array.isArray(journal) && journal.length <= limits.journalHeadsPerHost
      ? journal
      : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return hash('sha256', text, 'base64');
}

function nameOf({ seq, hash, at }: SignedHead): string {
  return `${seq} ${hash} ${at}`;
}

/** What an operator is told. */
export function journalAlarmWords({ node, others, seen, end }: JournalAlarm): string {
  const more = others === 0 ? '' : ` and ${others} more`;
  const here =
    seen.seq > end ? `the journal ends at ${end}` : 'the journal has another one, or none';
  return (
    `host ${node}${more} saw entry ${seen.seq}, signed by the online key, but ${here}: it was cut off or rewritten. ` +
    'Run hostward journal verify'
  );
}

function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}
