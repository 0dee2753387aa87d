import { setTimeout as delay } from 'node:timers/promises';
import { etcdKeys, type EtcdStore } from '#etcd';
import type { Fleet } from './fleet.js';

/**
 * How new the fleet in memory is. `current`: as new as etcd was when it was asked. `behind`: etcd has more, which has not
 * come yet. `unconfirmed`: etcd does not answer, so nobody can say.
 */
export type Currency = 'current' | 'behind' | 'unconfirmed';

const PATIENCE_MS = 5_000;
/** While etcd is known not to answer: readers get what is in memory, and must not wait long for it. */
const PATIENCE_AWAY_MS = 250;
/** Moves with every change of the fleet, in the same transaction. */
const NEWEST = etcdKeys.auditLog('head');

/**
 * Has whoever asks wait until the fleet in memory is as new as etcd is at that moment, whichever replica wrote: so who
 * was told of a change reads it everywhere. Those who ask at the same time share one read of one key.
 */
export class CatchUp {
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<bigint> | undefined;
  #away = false;
  #answers = 0;

  constructor(
    private readonly etcd: Pick<EtcdStore, 'get'>,
    private readonly fleet: Pick<Fleet, 'reached'>,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Never rejects. */
  async wait(): Promise<Currency> {
    const answers = this.#answers;
    const newest = await within(this.#newest(), this.#away ? PATIENCE_AWAY_MS : this.patienceMs);
    if (newest === undefined) {
      // What answered others meanwhile is slow.
      this.#away ||= this.#answers === answers;
      return 'unconfirmed';
    }
    const reached = await this.fleet.reached(newest, this.patienceMs);
    return reached ? 'current' : 'behind';
  }

  /** A read that has begun may miss what was written since: it is of no use to who comes later. */
  #newest(): Promise<bigint> {
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      const read = this.etcd.get(NEWEST).then((found) => {
        // However late: an etcd that is slow would else be taken for one that is away for ever.
        this.#away = false;
        this.#answers += 1;
        return found?.modRevision ?? 0n;
      });
      this.#last = read.catch(() => undefined);
      return read;
    });
    return this.#next;
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([
      work.catch(() => undefined),
      delay(ms, undefined, { signal: over.signal }),
    ]);
  } finally {
    over.abort();
  }
}
