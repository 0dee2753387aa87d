import {
  AUDIT_LOG_START,
  RefusedError,
  followsInAuditLog,
  signAuditLogHead,
  verifyAuditLogHead,
  verifyRestoration,
  type AuditLogEntry,
  type AuditLogHead,
  type AuditLogPoint,
  type PublicKey,
  type SignedDocument,
  type Signer,
} from '#bundle';
import type { Clock } from '../http/clock.js';
import type { AuditLogStore, SignedEntry } from './audit-log.store.js';

/** More that are wrong at the end than this, and the whole store counts for nothing. */
const LOOK_BACK = 1_000;

/**
 * The entries in the store as far as the online key vouches for them: each is kept with the head that was signed when
 * it was the newest, so that who can write the store can neither add nor change one unseen.
 */
export class SignedAuditLog {
  /** The head that was signed or verified last, by its text: mostly it is the one that is asked for next. */
  #last: { readonly text: string; readonly head: AuditLogHead } | undefined;

  constructor(
    private readonly store: AuditLogStore,
    private readonly signer: Signer,
    private readonly clock: Clock,
  ) {}

  get keys(): readonly PublicKey[] {
    const { keyid, key } = this.signer;
    return [{ keyid, key }];
  }

  /** Keeps an entry of etcd. One that has its number and is not it goes aside, with all after it. */
  async keep(entry: AuditLogEntry): Promise<void> {
    const head = this.#sign(entry);
    if ((await this.store.add(entry, head)) !== 'differs') return;
    await this.store.setAside(entry.seq - 1);
    await this.store.add(entry, head);
  }

  /**
   * Keeps an entry that the watch brought if it is plainly the next one, and says so; everything else is for the ledger
   * to judge.
   */
  async follow(entry: AuditLogEntry): Promise<boolean> {
    if (!followsInAuditLog(await this.end(), entry)) return false;
    return (await this.store.add(entry, this.#sign(entry))) === 'added';
  }

  /** Resolves when all that was kept before is on the disk; rejects where that cannot be said. */
  sync(): Promise<void> {
    return this.store.sync();
  }

  /** The last entry that the online key vouches for; the start where there is none. */
  async end(): Promise<AuditLogPoint> {
    return (await this.#lastSigned())?.entry ?? AUDIT_LOG_START;
  }

  /** Takes out what comes after the last entry that the key vouches for; answers how many. */
  async dropUnsigned(): Promise<number> {
    const [newest] = await this.store.newest(1);
    // Most often: and then nothing that another replica stores meanwhile is taken out.
    if (newest && this.#vouchesFor(newest)) return 0;
    return this.store.setAside((await this.end()).seq);
  }

  /** The signed head, with the time of now. Undefined in an empty audit log. */
  async head(): Promise<SignedDocument | undefined> {
    const last = await this.#lastSigned();
    return last && this.#sign(last.entry);
  }

  /** The head that was signed when entry `seq` was the newest; undefined where it does not fit the entry. */
  async headAt(seq: number): Promise<unknown> {
    const found = await this.store.get(seq);
    return found && this.#vouchesFor(found) ? found.head : undefined;
  }

  /** Whether this point is in the audit log: an entry of that number is here, and is what this hash says. */
  async leadsTo({ seq, hash }: AuditLogPoint): Promise<boolean> {
    const entry = (await this.store.get(seq))?.entry;
    if (entry?.hash !== hash) return false;
    return followsInAuditLog({ seq: seq - 1, hash: entry.prev }, entry);
  }

  /** The restores from backups that entries tell of, by the online key's own word: who writes etcd has none. */
  async restorations(): Promise<readonly { readonly seq: number; readonly restoredAt: number }[]> {
    const told = await this.store.restorations();
    return told.flatMap(({ entry: { seq, detail } }) => {
      try {
        const { restoredAt } = verifyRestoration(detail['restoration'], this.keys);
        return [{ seq, restoredAt }];
      } catch (error) {
        if (error instanceof RefusedError) return [];
        throw error;
      }
    });
  }

  /** Entries before a number, newest first, no newer than the signed head. */
  async before(before: number | undefined, limit: number): Promise<readonly AuditLogEntry[]> {
    const end = (await this.end()).seq + 1;
    return this.store.before(Math.min(before ?? end, end), limit);
  }

  /** Entries from a number on, oldest first, no newer than the signed head. */
  async from(from: number, limit: number): Promise<readonly AuditLogEntry[]> {
    const end = (await this.end()).seq;
    return (await this.store.from(from, limit)).filter(({ seq }) => seq <= end);
  }

  async #lastSigned(): Promise<SignedEntry | undefined> {
    const [newest] = await this.store.newest(1);
    if (newest && this.#vouchesFor(newest)) return newest;
    return (await this.store.newest(LOOK_BACK)).find((each) => this.#vouchesFor(each));
  }

  #vouchesFor({ entry, head }: SignedEntry): boolean {
    const signed = this.#verified(head);
    return signed?.seq === entry.seq && signed.hash === entry.hash;
  }

  #verified(signed: unknown): AuditLogHead | undefined {
    const text = JSON.stringify(signed);
    if (text === this.#last?.text) return this.#last.head;
    try {
      const head = verifyAuditLogHead(signed, this.keys);
      this.#last = { text, head };
      return head;
    } catch (error) {
      if (error instanceof RefusedError) return undefined;
      throw error;
    }
  }

  #sign({ seq, hash }: AuditLogPoint): SignedDocument {
    const head: AuditLogHead = { v: 1, seq, hash, at: this.clock.nowMs() };
    const signed = signAuditLogHead(head, this.signer);
    this.#last = { text: JSON.stringify(signed), head };
    return signed;
  }
}
