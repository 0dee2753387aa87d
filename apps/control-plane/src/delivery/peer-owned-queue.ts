/** The owner of a host has so long before anybody looks whether it has written. */
const FIRST_LOOK_MS = 100;
const LOOK_EVERY_MS = 200;
/** Looks, not time: a process that stood still has not looked. Together they take two seconds. */
const LOOKS = 10;
/** Of what hosts have already: together ten seconds, in which a replica that lost its connection to Redis has it again. */
const PATIENT_LOOK_EVERY_MS = 1_000;

interface Waiting {
  looksLeft: number;
  nextAtMs: number;
  readonly everyMs: number;
}

/** Hosts whose assignment another replica is to write: when to look for it, and when it is late. */
export class PeerOwnedQueue {
  readonly #hosts = new Map<string, Waiting>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  get size(): number {
    return this.#hosts.size;
  }

  /** Whether its owner still has time. */
  isWaiting(node: string): boolean {
    return (this.#hosts.get(node)?.looksLeft ?? 0) > 0;
  }

  /** Whether its owner had its time. */
  isLate(node: string): boolean {
    return this.#hosts.has(node) && !this.isWaiting(node);
  }

  /** Whether it is time to look for the host's again. */
  isTime(node: string): boolean {
    const found = this.#hosts.get(node);
    return found !== undefined && found.looksLeft > 0 && found.nextAtMs <= this.nowMs();
  }

  /** Leaves the host to its owner for a moment, and looks for it `inMs` from now. */
  begin(node: string, inMs = FIRST_LOOK_MS): void {
    const nextAtMs = this.nowMs() + inMs;
    this.#hosts.set(node, { looksLeft: LOOKS, nextAtMs, everyMs: LOOK_EVERY_MS });
  }

  /** Leaves the host to its owner for longer: it has already what is to be there. */
  beginPatiently(node: string): void {
    const everyMs = PATIENT_LOOK_EVERY_MS;
    this.#hosts.set(node, { looksLeft: LOOKS, nextAtMs: this.nowMs() + everyMs, everyMs });
  }

  /** Looks for it once, at once: what was another one's is ours now, and most likely there. */
  lookOnce(node: string): void {
    this.#hosts.set(node, { looksLeft: 1, nextAtMs: -Infinity, everyMs: LOOK_EVERY_MS });
  }

  /** It was looked for and was not there. */
  missed(node: string): void {
    const found = this.#hosts.get(node);
    if (!found) return;
    found.looksLeft -= 1;
    found.nextAtMs = this.nowMs() + found.everyMs;
  }

  /** Nobody waits for it any more, or what is waited for has changed. */
  end(node: string): void {
    this.#hosts.delete(node);
  }

  clear(): void {
    this.#hosts.clear();
  }
}
