import type { IWatchResponse } from 'etcd3';
import { Backoff } from './backoff.js';
import type { Endpoints } from './endpoints.js';
import { EtcdRefused, RevisionCompacted } from './errors.js';
import { type History, type RangeReader, toHistory } from './range-reader.js';
import { RevisionAssembler } from './revision-assembler.js';
import type {
  Change,
  EtcdStoreOptions,
  KeyValue,
  WatchHealth,
  WatchMessage,
} from './store-types.js';
import { WatchStream } from './watch-stream.js';

type Mark = Pick<KeyValue, 'key' | 'value' | 'modRevision'>;

/**
 * Follows a prefix for ever: every change once, in order, whole revisions. It resumes at the last revision handed
 * over + 1, never at a header's, which may be ahead of what was delivered; it lists again when etcd no longer has
 * the revisions in between, or has another history (restored, emptied). One consumer, by `for await`.
 */
export class PrefixWatch implements AsyncIterable<WatchMessage> {
  private readonly stopped = new AbortController();
  private readonly backoff: Backoff;
  private readonly now: () => number;
  private history: History | undefined;
  private delivered: bigint | undefined;
  /** The newest value that was handed over: a history that does not have it at that revision is another one. */
  private mark: Mark | undefined;
  /** etcd was seen to have another history, or may have, and was not listed again since. */
  private isForeign = false;
  private stream: WatchStream | undefined;
  private consumed = false;
  private turn = 0;
  private state: WatchHealth = {
    connected: false,
    lastProgressAt: 0,
    revision: 0n,
    reconnects: 0,
    snapshots: 0,
  };

  constructor(
    private readonly prefix: string,
    private readonly endpoints: Endpoints,
    private readonly reader: RangeReader,
    private readonly options: EtcdStoreOptions,
    after?: bigint,
  ) {
    this.delivered = after;
    this.now = options.now ?? (() => performance.now());
    const maxMs = options.watch?.maxBackoffMs ?? 5_000;
    this.backoff = new Backoff(maxMs, options.random ?? Math.random);
  }

  health(): WatchHealth {
    return this.state;
  }

  /** Ends the iteration, also in the middle of a wait. */
  close(): void {
    this.stopped.abort();
    this.stream?.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchMessage, void, undefined> {
    if (this.consumed) throw new TypeError('a watch has one consumer; make another watch');
    this.consumed = true;
    while (!this.isStopped()) {
      try {
        if (this.delivered === undefined) yield await this.snapshot();
        yield* this.follow();
      } catch (error) {
        this.failed(error);
      }
      await this.backoff.wait(this.stopped.signal);
    }
  }

  private async snapshot(): Promise<WatchMessage> {
    const { items, revision, history } = await this.reader.list(this.prefix);
    const isOtherHistory = this.isForeign || this.isSuspect(history);
    this.isForeign = false;
    this.history = history;
    this.delivered = revision;
    this.mark = items.reduce(
      (newest: Mark | undefined, item) => (isNewer(item, newest) ? item : newest),
      undefined,
    );
    this.progress({ revision, snapshots: this.state.snapshots + 1 });
    return { type: 'snapshot', revision, items, isOtherHistory };
  }

  private async *follow(): AsyncGenerator<WatchMessage, void, undefined> {
    const stream = await this.open();
    const assembler = new RevisionAssembler();
    try {
      while (!this.isStopped()) {
        const answer = await stream.next();
        if (answer.canceled) throw canceled(answer);
        if (answer.created) await this.attached(answer);
        else this.backoff.reset();
        const changes = await this.resolve(assembler.push(answer.events, answer.fragment));
        const revision = changes.at(-1)?.modRevision;
        if (revision === undefined) this.progressOf(answer);
        else yield this.hand(changes, revision);
      }
    } finally {
      stream.close();
      this.down();
    }
  }

  private async open(): Promise<WatchStream> {
    const client = this.endpoints.streamClient(this.turn);
    const timings = this.options.watch ?? {};
    const stream = await WatchStream.open(client, {
      prefix: this.prefix,
      startRevision: (this.delivered ?? 0n) + 1n,
      progressEveryMs: timings.progressEveryMs ?? 5_000,
      silentAfterMs: timings.silentAfterMs ?? 12_000,
      onDown: () => this.down(),
    });
    this.stream = stream;
    if (this.isStopped()) stream.close();
    return stream;
  }

  /**
   * A member that answers with less than was handed over either follows slowly, and the watch simply waits for it,
   * or lives in another history, where waiting would lose everything until its revision has caught up. Where it has,
   * cluster id and term may be those of before: what was handed over tells.
   */
  private async attached(answer: IWatchResponse): Promise<void> {
    const seen = toHistory(answer.header);
    const isForeign = this.isSuspect(seen) && this.isSuspect(await this.reader.history());
    if (isForeign || !(await this.hasMark())) {
      this.isForeign = true;
      throw new RevisionCompacted();
    }
    this.history = seen.term > (this.history?.term ?? 0n) ? seen : (this.history ?? seen);
    this.progress({ connected: true });
  }

  /** False also where that is compacted, so that nobody can tell. */
  private async hasMark(): Promise<boolean> {
    const { mark, delivered } = this;
    if (mark === undefined || delivered === undefined) return true;
    try {
      const found = await this.reader.get(mark.key, delivered);
      return found?.modRevision === mark.modRevision && found.value.equals(mark.value);
    } catch (error) {
      if (error instanceof RevisionCompacted) return false;
      throw error;
    }
  }

  private isSuspect(seen: History): boolean {
    if (seen.revision < (this.delivered ?? this.state.revision)) return true;
    if (this.history === undefined) return false;
    return seen.clusterId !== this.history.clusterId || seen.term < this.history.term;
  }

  /** Bodies are read at the newest revision of the answer: a body outlives its pointer there, or the watch lists again. */
  private async resolve(changes: readonly Change[]): Promise<readonly Change[]> {
    const resolved: Change[] = [];
    for (const group of byRevision(changes)) {
      resolved.push(...(await this.reader.resolve(group.changes, group.revision)));
    }
    return resolved;
  }

  private hand(changes: readonly Change[], revision: bigint): WatchMessage {
    this.delivered = revision;
    for (const { key, value, modRevision } of changes)
      if (value !== undefined) this.mark = { key, value, modRevision };
      else if (this.mark?.key === key) this.mark = undefined;
    this.progress({ revision });
    return { type: 'changes', revision, changes };
  }

  /** A progress answer moves the health, not the place to resume at: older servers sent it ahead of events. */
  private progressOf(answer: IWatchResponse): void {
    const { revision } = toHistory(answer.header);
    const isProgress = !answer.created && answer.events.length === 0;
    const ahead = isProgress && revision > this.state.revision;
    this.progress(ahead ? { revision } : {});
  }

  private progress(change: Partial<WatchHealth>): void {
    this.state = { ...this.state, lastProgressAt: this.now(), ...change };
  }

  private failed(error: unknown): void {
    if (this.isStopped()) return;
    if (error instanceof RevisionCompacted) this.delivered = undefined;
    this.turn += 1;
    const lastError = error instanceof Error ? error.message : String(error);
    this.state = { ...this.state, reconnects: this.state.reconnects + 1, lastError };
  }

  private down(): void {
    this.state = { ...this.state, connected: false };
  }

  private isStopped(): boolean {
    return this.stopped.signal.aborted;
  }
}

function isNewer({ modRevision }: Mark, than: Mark | undefined): boolean {
  return than === undefined || modRevision > than.modRevision;
}

function canceled(answer: IWatchResponse): Error {
  if (BigInt(answer.compact_revision) > 0n) return new RevisionCompacted();
  return new EtcdRefused(`the watch: ${answer.cancel_reason || 'canceled without a reason'}`);
}

function byRevision(changes: readonly Change[]): { revision: bigint; changes: Change[] }[] {
  const groups: { revision: bigint; changes: Change[] }[] = [];
  for (const change of changes) {
    const last = groups.at(-1);
    if (last?.revision === change.modRevision) last.changes.push(change);
    else groups.push({ revision: change.modRevision, changes: [change] });
  }
  return groups;
}
