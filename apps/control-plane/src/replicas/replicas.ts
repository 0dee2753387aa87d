import { etcdKeys, type LeasedKey, type WatchMessage } from '#etcd';
import { Division } from './division.js';
/** What a replica is known by: a key of etcd under a lease. */
export interface Membership {
  readonly id: string;
  readonly key: Pick<LeasedKey, 'heldAs' | 'say' | 'start' | 'stop'>;
}

/** Of the key by which others know that a control plane is there. */
export const REPLICA_TTL_MS = 6_000;

const PREFIX = `${etcdKeys.leases}replica-`;

interface Registered {
  readonly lease: string;
  readonly word: string;
  readonly canRead: boolean;
}

/** Third word in the key of a replica that cannot read a record. */
const UNREADABLE = 'unreadable';

/** The key of a replica. */
export function replicaKey(id: string): string {
  return etcdKeys.lease(`replica-${id}`);
}

/**
 * The control planes that are there, as the watch on etcd says, and what of the work is this one's. It says who does
 * things first, never who may: whatever two replicas do at once must come out right.
 *
 * A replica that cannot read a record has no share.
 *
 * One that has lost its lease, or has not seen its own key in the watch since it took a new one, has no share: by then it
 * has read everything that others did in the meantime.
 */
export class Replicas {
  /** By replica. */
  readonly #there = new Map<string, Registered>();
  #division: Division;
  #word = '';
  #canRead = true;

  constructor(private readonly membership: Membership) {
    this.#division = new Division(membership.id, []);
  }

  /** As of the last `refresh`. */
  get division(): Division {
    return this.#division;
  }

  start(): void {
    this.membership.key.start();
  }

  stop(): Promise<void> {
    return this.membership.key.stop();
  }

  /** What each of the others says of itself. */
  get others(): ReadonlyMap<string, string> {
    const others = [...this.#there].filter(([id]) => id !== this.membership.id);
    return new Map(others.map(([id, { word }]) => [id, word]));
  }

  /** Tells the others of this one, without spaces, from the next time on that its lease is kept alive. */
  say(word: string): void {
    this.#word = word;
    this.#tell();
  }

  /** Tells the others likewise whether all of etcd can be read here, which counts here at once. */
  canRead(all: boolean): void {
    if (all === this.#canRead) return;
    this.#canRead = all;
    this.#tell();
  }

  #tell(): void {
    this.membership.key.say(`${this.#word} ${this.#canRead ? '' : UNREADABLE}`.trimEnd());
  }

  /** Whether work on the host is this one's to do at once. */
  owns(nodeId: string): boolean {
    if (!this.#canRead) return false;
    const { isAlone } = this.#division;
    return isAlone || (this.#isHeld() && this.#division.owns(nodeId));
  }

  /** Takes one message of the watch. */
  take(message: WatchMessage): void {
    if (message.type === 'snapshot') {
      this.#there.clear();
      for (const { key, value } of message.items) this.#put(key, value);
      return;
    }
    for (const { type, key, value } of message.changes) {
      if (type === 'put' && value) this.#put(key, value);
      else this.#there.delete(idIn(key) ?? '');
    }
  }

  /** Works the division out anew; the one before where it is another one now. */
  refresh(): Division | undefined {
    const { id } = this.membership;
    const others = [...this.#there].filter(([other, { canRead }]) => other !== id && canRead);
    const ids = others.map(([other]) => other);
    if (this.#canRead && this.#isHeld()) ids.push(id);
    const [before, now] = [this.#division, new Division(id, ids.toSorted())];
    if (now.equals(before)) return undefined;
    this.#division = now;
    return before;
  }

  #isHeld(): boolean {
    const { heldAs } = this.membership.key;
    return heldAs !== undefined && this.#there.get(this.membership.id)?.lease === heldAs;
  }

  #put(key: string, value: Buffer): void {
    const id = idIn(key);
    const [lease = '', word = '', third] = value.toString('utf8').split(' ');
    if (id !== undefined) this.#there.set(id, { lease, word, canRead: third !== UNREADABLE });
  }
}

function idIn(key: string): string | undefined {
  return key.startsWith(PREFIX) ? key.slice(PREFIX.length) : undefined;
}
