import type { Log } from '#observability';
import { Periodic } from '../health/periodic.decorator.js';
import { REPLICA_TTL_MS, type Replicas } from './replicas.js';

/** What one says whose alerts and audit log lie in files; another says the id of its database. */
const IN_FILES = 'files';
/** Longer than what one that was killed had registered stays: its lease, and once more where etcd's leader changes. */
const OUTLIVED_MS = 2.5 * REPLICA_TTL_MS;

/** What to do where replicas have stores apart. */
export const ONE_STORE_REMEDY =
  'set store.postgresql to one and the same database on every control plane, which moves nothing by itself: see docs/how-to/use-postgresql.md';

/**
 * Whether all replicas keep alerts and audit log in one place. One that was killed and comes back under another id is there
 * twice until its lease has ended, so only what lasts longer is told.
 */
export class OneStore {
  /** Those whose store is another one, and since when. */
  readonly #since = new Map<string, number>();
  /** Of these, who has been there for long enough. */
  #told: readonly string[] = [];
  #own: string;
  #isAsking = false;

  /** `databaseId` is of the PostgreSQL, which may be away; absent: alerts and audit log lie in files. */
  constructor(
    private readonly replicas: Pick<Replicas, 'others' | 'say'>,
    private readonly log: Log,
    private readonly databaseId?: () => Promise<string>,
  ) {
    this.#own = databaseId ? '' : IN_FILES;
    replicas.say(this.#own);
  }

  health(): { readonly ok: boolean; readonly detail: string } {
    if (this.#told.length === 0)
      return { ok: true, detail: 'no control plane is known that has another one' };
    const [own, another] =
      this.#own === IN_FILES ? ['files', 'a database'] : ['a database', 'another database'];
    const theirs = this.#told.map((id) => {
      const word = this.replicas.others.get(id) ?? '';
      return `${id} has ${word === IN_FILES ? 'files' : word === '' ? 'one of its own' : another}`;
    });
    const detail = `this control plane has ${own}, ${theirs.join(', ')}: each answers with its part of alerts and audit log`;
    return { ok: false, detail };
  }

  /** Says in the log where that began or ended. */
  @Periodic({ name: 'compare-stores', everyMs: 1_000 })
  watch(): void {
    if (!this.look(performance.now())) return;
    const { ok, detail } = this.health();
    if (ok) this.log.info('all control planes that are there have one store');
    else
      this.log.error('control planes have stores apart', {
        field: 'store.postgresql',
        value: detail,
        remedy: ONE_STORE_REMEDY,
      });
  }

  /** Looks anew; true where what is to be told changed. */
  look(nowMs: number): boolean {
    void this.#introduce();
    const apart = [...this.replicas.others].flatMap(([id, word]) =>
      areApart(this.#own, word) ? [id] : [],
    );
    for (const id of this.#since.keys()) if (!apart.includes(id)) this.#since.delete(id);
    for (const id of apart) if (!this.#since.has(id)) this.#since.set(id, nowMs);
    const before = this.#told;
    this.#told = apart
      .filter((id) => nowMs - (this.#since.get(id) ?? nowMs) >= OUTLIVED_MS)
      .toSorted();
    return this.#told.join() !== before.join();
  }

  /** Tells the others which database it is, once it answers. */
  async #introduce(): Promise<void> {
    if (this.#own !== '' || this.#isAsking) return;
    this.#isAsking = true;
    this.#own = (await this.databaseId?.().catch(() => '')) ?? '';
    this.#isAsking = false;
    this.replicas.say(this.#own);
  }
}

/** Of one that says nothing, because its database is away or its version older, it is not known where that is not in files. */
function areApart(own: string, other: string): boolean {
  if (own === IN_FILES || other === IN_FILES) return true;
  return own !== '' && other !== '' && own !== other;
}
