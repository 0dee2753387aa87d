import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  RefusedError,
  auditLogHeadName,
  limits,
  verifyAuditLogHead,
  type AuditLogPoint,
  type SignedDocument,
} from '#bundle';
import { Log } from '#observability';
import { Trust } from '../config/trust.js';
import { Metrics } from '../health/metrics.js';
import { Periodic } from '../health/periodic.decorator.js';
import { SignedAuditLog } from './signed-audit-log.js';

/** A host of which a report came, sealed with its key. */
export interface Witness {
  readonly node: string;
  readonly nodeId: string;
}

/** Where signed statuses of hosts are read; one that is none is not given out. Rejects where it cannot be asked. */
export abstract class SignedStatusSource {
  abstract of(nodeIds: readonly string[]): Promise<ReadonlyMap<string, SignedDocument>>;
}

/** Hosts have seen another audit log than this one. */
export interface AuditLogAlarm {
  readonly node: string;
  /** Other hosts that have too. */
  readonly others: number;
  /** The newest head that this audit log does not lead to. */
  readonly seen: AuditLogPoint;
  /** Number of the last entry here. */
  readonly end: number;
}

interface Held {
  readonly node: string;
  /** Names of heads, one object for all hosts that hold the same ones. */
  readonly names: readonly string[];
}

interface SignedHead extends AuditLogPoint {
  /** When it was signed, in ms since 1970. */
  readonly at: number;
  readonly keyids: readonly string[];
}

/** Signed statuses that are read at a look. */
const READ_AT_ONCE = 64;
/** Heads that are compared at each look, the newest ones, and how many of the older ones have their turn. */
const NEWEST = 64;
const IN_TURN = 256;
/** With as many signatures as a document may have. One that a host makes up may be as long as a signed status. */
const MAX_HEAD_CHARS = 4_096;

/**
 * Compares the heads that hosts have seen with the audit log: one that it does not lead to proves that it was cut off or
 * rewritten, unless the online key's word of a restore tells that it was lost. Reports have the names of heads alone,
 * mostly the same ones: where one is new, the signed status of one host is read, so that work goes with the heads and not with
 * the hosts. Of many heads, as of hosts that enrolled over years, those that are not among the newest are compared in turn.
 * A host cannot make a head up, since the online key signed it: so the host's own signature is left to who asks for
 * signed statuses. A replica that lags behind another one for a moment is no proof, so that an alarm is raised at the second
 * look that finds it.
 */
@Injectable()
export class HeldHeads {
  readonly #held = new Map<string, Held>();
  /** By name, those that some host has; undefined: none that an online key of this version of the root document signed. */
  #heads: ReadonlyMap<string, SignedHead | undefined> = new Map();
  #rootVersion = 0;
  /** Names of those that this audit log did not lead to at the last look. */
  #strange: ReadonlySet<string> = new Set();
  /** Where the next turn of older heads begins. */
  #turn = 0;
  #suspected = false;
  #alarm: AuditLogAlarm | undefined;

  constructor(
    private readonly auditLog: SignedAuditLog,
    private readonly signedStatuses: SignedStatusSource,
    private readonly trust: Trust,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  get alarm(): AuditLogAlarm | undefined {
    return this.#alarm;
  }

  /** Takes the names of the heads that a host holds, as it reports; new ones are read at the next look. */
  take({ node, nodeId }: Witness, names: readonly string[]): void {
    this.#held.set(nodeId, { node, names });
  }

  /** Forgets a host that is gone. */
  forget(nodeId: string): void {
    this.#held.delete(nodeId);
  }

  /** Looks anew; true where the alarm began or ended. Rejects where the store cannot be read. */
  @Periodic({ name: 'compare-audit-log-heads', everyMs: 5_000 })
  async look(): Promise<boolean> {
    await this.#readNew();
    const changed = this.#judge(await this.#find());
    if (changed) this.#tell();
    return changed;
  }

  #tell(): void {
    this.metrics.auditLogAlarm.set(this.#alarm ? 1 : 0);
    if (this.#alarm)
      this.log.error('hosts have seen another audit log', {
        remedy: auditLogAlarmWords(this.#alarm),
      });
    else this.log.info('the audit log is the one that hosts have seen again');
  }

  async #readNew(): Promise<void> {
    const heads = this.#kept();
    const holders = this.#holders();
    for (const { payload } of await this.#signedStatusesOf(toAsk(holders, heads)))
      for (const signed of headsIn(payload)) this.#readOne(signed, heads);
    const used = new Set(holders.keys().flatMap((names) => names));
    this.#heads = new Map(heads.entries().filter(([name]) => used.has(name)));
  }

  /** Each for itself: hosts may be on several Redis, of which one is away. What was read before is judged meanwhile. */
  async #signedStatusesOf(nodeIds: ReadonlySet<string>): Promise<readonly SignedDocument[]> {
    const answers = await Promise.allSettled(
      [...nodeIds].map((nodeId) => this.signedStatuses.of([nodeId])),
    );
    return answers.flatMap((answer) => {
      if (answer.status === 'fulfilled') return [...answer.value.values()];
      this.log.debug('heads of a host are read later', { error: answer.reason });
      return [];
    });
  }

  /** With another root document the key behind one that was none may count. */
  #kept(): Map<string, SignedHead | undefined> {
    const { version } = this.trust.root.document;
    const isSame = version === this.#rootVersion;
    this.#rootVersion = version;
    return new Map(this.#heads.entries().filter(([, head]) => isSame || head !== undefined));
  }

  /** Ids of hosts by the names that they hold. */
  #holders(): ReadonlyMap<readonly string[], readonly string[]> {
    const holders = new Map<readonly string[], string[]>();
    for (const [nodeId, { names }] of this.#held)
      holders.getOrInsertComputed(names, () => []).push(nodeId);
    return holders;
  }

  #judge(found: AuditLogAlarm | undefined): boolean {
    const before = this.#alarm !== undefined;
    this.#alarm = this.#suspected ? found : undefined;
    this.#suspected = found !== undefined;
    return before !== (this.#alarm !== undefined);
  }

  async #find(): Promise<AuditLogAlarm | undefined> {
    const end = (await this.auditLog.end()).seq;
    const known = [...this.#heads.values()].filter((head) => head !== undefined);
    const strange = await this.#strangeOf(known);
    this.#strange = strange;
    if (strange.size === 0) return undefined;
    const found = [...this.#held.values()].flatMap(({ node, names }) => {
      const heads = names.flatMap((name) => this.#heads.get(name) ?? []);
      const [newest] = heads.filter(isIn(strange)).toSorted(byNewest);
      return newest ? [{ node, newest }] : [];
    });
    const [first] = found.toSorted((a, b) => byNewest(a.newest, b.newest));
    if (!first) return undefined;
    const { seq, hash } = first.newest;
    return { node: first.node, others: found.length - 1, seen: { seq, hash }, end };
  }

  /** Names of those that this audit log does not lead to, as far as they are due. */
  async #strangeOf(heads: readonly SignedHead[]): Promise<ReadonlySet<string>> {
    // Heads of a key that the root document has taken back prove nothing any more.
    const keys = new Set(this.trust.root.document.online.map(({ keyid }) => keyid));
    const restorations = await this.auditLog.restorations();
    // What a restore lost was signed before it, and its number was given again since.
    const isLost = ({ seq, at }: SignedHead): boolean =>
      restorations.some((told) => seq >= told.seq && at <= told.restoredAt);
    const counting = heads.filter(({ keyids }) => keyids.some((keyid) => keys.has(keyid)));
    const strange = new Set<string>();
    for (const head of this.#due(counting))
      if (!isLost(head) && !(await this.auditLog.leadsTo(head))) strange.add(nameOf(head));
    return strange;
  }

  /** Each once, however many hosts have it: the newest, the strange ones, and of all others those whose turn it is. */
  #due(heads: readonly SignedHead[]): readonly SignedHead[] {
    const each = [...new Map(heads.map((head) => [nameOf(head), head])).values()].sort(byNewest);
    const isStrange = isIn(this.#strange);
    const older = each.slice(NEWEST);
    const others = older.filter((head) => !isStrange(head));
    const from = this.#turn < others.length ? this.#turn : 0;
    this.#turn = from + IN_TURN;
    return [
      ...each.slice(0, NEWEST),
      ...older.filter(isStrange),
      ...others.slice(from, from + IN_TURN),
    ];
  }

  #readOne(signed: unknown, into: Map<string, SignedHead | undefined>): void {
    if (JSON.stringify(signed).length > MAX_HEAD_CHARS) return;
    const name = unlessRefused(() => auditLogHeadName(signed));
    if (name === undefined || into.has(name)) return;
    const head = unlessRefused(() => verifyAuditLogHead(signed, this.trust.root.document.online));
    into.set(name, head && { ...head, keyids: keyidsOf(signed) });
  }
}

/** Hosts that hold what is new, a few, so that each name is read of one: what most hold first, else another one each time. */
function toAsk(
  holders: ReadonlyMap<readonly string[], readonly string[]>,
  heads: ReadonlyMap<string, unknown>,
): ReadonlySet<string> {
  const hosts = new Set<string>();
  const names = new Set(heads.keys());
  const start = randomInt(holders.size + 1);
  const all = [...holders];
  const inTurn = [...all.slice(start), ...all.slice(0, start)];
  for (const [held, nodeIds] of inTurn.toSorted(([, a], [, b]) => b.length - a.length)) {
    if (hosts.size >= READ_AT_ONCE) break;
    if (held.every((name) => names.has(name))) continue;
    for (const name of held) names.add(name);
    hosts.add(nodeIds[randomInt(nodeIds.length)] ?? '');
  }
  return hosts;
}

/** Of a document whose signatures were verified. */
function keyidsOf(signed: unknown): readonly string[] {
  return (signed as SignedDocument).signatures.map(({ keyid }) => keyid);
}

/** The heads in a signed status, as they came; none where it holds no list of as many as a host may keep. */
function headsIn(payload: string): readonly unknown[] {
  try {
    const text = Buffer.from(payload, 'base64').toString('utf8');
    const { auditLog } = JSON.parse(text) as { readonly auditLog?: unknown };
    return Array.isArray(auditLog) && auditLog.length <= limits.auditLogHeadsPerHost
      ? auditLog
      : [];
  } catch {
    return [];
  }
}

function isIn(strange: ReadonlySet<string>): (head: SignedHead) => boolean {
  return (head) => strange.has(nameOf(head));
}

function byNewest(a: SignedHead, b: SignedHead): number {
  return b.seq - a.seq;
}

function nameOf({ seq, hash, at }: SignedHead): string {
  return `${seq} ${hash} ${at}`;
}

/** What an operator is told. */
export function auditLogAlarmWords({ node, others, seen, end }: AuditLogAlarm): string {
  const more = others === 0 ? '' : ` and ${others} more`;
  const here =
    seen.seq > end ? `the audit log ends at ${end}` : 'the audit log has another one, or none';
  return (
    `host ${node}${more} saw entry ${seen.seq}, signed by the online key, but ${here}: it was cut off or rewritten. ` +
    'Run hostward audit-log verify'
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
