/** The highest assignment version ever published, as far as is remembered. */
export interface Published {
  readonly epoch: string;
  readonly generation: string;
  /** etcd's revision when it was seen to be older than that; absent while all is well. */
  readonly restoredAt?: string;
}

/** Where it is remembered over restarts, on this machine: a restored etcd does not know it. */
export abstract class PublishedFile {
  abstract read(): Published | undefined;
  /** False where it could not be written: it is tried again. Never rejects. */
  abstract write(published: Published): Promise<boolean>;
}

/** What a host says that it has applied. */
export interface Claim {
  readonly node: string;
  readonly epoch: string;
  readonly generation: string;
}

/** How things stand when the guard looks. */
export interface ConflictContext {
  readonly epoch: string;
  /** etcd's revision as the watch has it. */
  readonly revision: bigint;
  /** Of the hosts that are heard of. */
  readonly claims: readonly Claim[];
  /** Of a clock that nobody sets back, which would end an alarm. */
  readonly nowMs: number;
}

/** Nothing is published while one is raised: hosts keep what they enforce. */
export interface RestoreAlarm {
  readonly revision: bigint;
  /** The later generation that was seen, and where. */
  readonly generation: bigint;
  readonly seenBy: string;
}

/**
 * A restored etcd that is written to comes past the old revisions by itself, which mends nothing: only `etcdutl
 * --bump-revision` goes this far at once.
 */
const BUMP = 1_000_000n;
/** A watch that lags behind another replica for a moment is no restore. */
const PATIENCE_MS = 3_000;
/** One host that lies must not stop a fleet; of few hosts each one counts. */
const SHARE = 5;

/**
 * Notices that etcd is older than what was published from it: it was restored from a snapshot. Publishing on would give
 * hosts generations below those they have seen, which they refuse, one by one and unseen; and above them some that mean
 * something else. The way out is a new epoch, or a restore whose revisions go on (`hostward recover`).
 */
export class RestoreGuard {
  #highest: Published | undefined;
  #stored: string | undefined;
  #writing: Promise<void> | undefined;
  #aheadSince: number | undefined;
  #alarm: RestoreAlarm | undefined;

  constructor(private readonly file: PublishedFile) {
    this.#highest = file.read();
    this.#stored = key(this.#highest);
  }

  get alarm(): RestoreAlarm | undefined {
    return this.#alarm;
  }

  /** Told of what was published, before hosts can have it. */
  published(next: Published): void {
    if (!this.#highest || isAfter(next, this.#highest))
      this.#highest = { epoch: next.epoch, generation: next.generation };
  }

  /** Looks anew; true where the alarm began or ended. Also keeps the highest on disk. */
  look(around: ConflictContext): boolean {
    const before = this.#alarm !== undefined;
    this.#alarm = around.revision === 0n ? undefined : this.#find(around);
    void this.flush();
    return before !== (this.#alarm !== undefined);
  }

  /** Keeps the highest on disk: once a second, and at the end. A crash in between is made up for by what hosts report. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  /** Until the highest is there, also one that comes meanwhile, or the disk does not take it. */
  async #write(): Promise<void> {
    while (this.#highest && key(this.#highest) !== this.#stored) {
      const highest = this.#highest;
      if (!(await this.file.write(highest))) return;
      this.#stored = key(highest);
    }
  }

  #find(around: ConflictContext): RestoreAlarm | undefined {
    return this.#findOwn(around) ?? this.#findClaimed(around);
  }

  /** Of what was published here nobody can be mistaken, so it lasts until etcd is mended. */
  #findOwn({ epoch, revision }: ConflictContext): RestoreAlarm | undefined {
    if (this.#highest?.epoch !== epoch) return undefined;
    const { generation, restoredAt } = this.#highest;
    if (restoredAt === undefined && BigInt(generation) <= revision) return undefined;
    const since = BigInt(restoredAt ?? revision);
    const mended = revision >= since + BUMP;
    this.#highest = { epoch, generation, ...(!mended && { restoredAt: String(since) }) };
    if (mended) return undefined;
    return {
      revision,
      generation: BigInt(generation),
      seenBy: 'this control plane published it',
    };
  }

  #findClaimed({ epoch, revision, claims, nowMs }: ConflictContext): RestoreAlarm | undefined {
    const ahead = claims.filter(
      (claim) => claim.epoch === epoch && BigInt(claim.generation) > revision,
    );
    if (ahead.length === 0 || ahead.length * SHARE < claims.length) {
      this.#aheadSince = undefined;
      return undefined;
    }
    this.#aheadSince ??= nowMs;
    if (nowMs - this.#aheadSince < PATIENCE_MS) return undefined;
    const highest = ahead.reduce((a, b) => (BigInt(b.generation) > BigInt(a.generation) ? b : a));
    const more = ahead.length === 1 ? '' : ` and ${ahead.length - 1} more hosts`;
    return {
      revision,
      generation: BigInt(highest.generation),
      seenBy: `host ${highest.node}${more}`,
    };
  }
}

/** What an operator is told. */
export function alarmWords({ revision, generation, seenBy }: RestoreAlarm): string {
  return (
    `etcd is at revision ${revision}, but generation ${generation} was published (${seenBy}): etcd was restored. ` +
    'Nothing is published; hosts keep what they enforce. Run hostward recover'
  );
}

function key(published: Published | undefined): string | undefined {
  return published && [published.epoch, published.generation, published.restoredAt].join('/');
}

function isAfter(a: Published, b: Published): boolean {
  if (a.epoch !== b.epoch) return BigInt(a.epoch) > BigInt(b.epoch);
  return BigInt(a.generation) > BigInt(b.generation);
}
