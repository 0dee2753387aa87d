/** What is read of one host in the long run; its agent has one batch of half a MiB under way at a time. */
const BYTES_A_SECOND = 1024 * 1024;
/** What a host may owe and still be read at once. */
const SPARE_BYTES = 1024 * 1024;
/** What it costs to read something, however short it is, counted as bytes. */
const COST_BYTES = 16 * 1024;

/**
 * How fast what hosts write is read. Nothing keeps a host from writing a hundred MiB a second, and to carry them off
 * would take the time of all others: each host is read as fast as this, and what it writes beyond waits on Redis.
 */
export class HostPace {
  /** When each host will owe nothing, by node id; ms of the clock. */
  readonly #settledAt = new Map<string, number>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** Milliseconds until this host may be read again; 0: now. */
  restMs(nodeId: string): number {
    const owesMs = (this.#settledAt.get(nodeId) ?? 0) - this.nowMs();
    if (owesMs <= 0) this.#settledAt.delete(nodeId);
    return Math.max(0, Math.ceil(owesMs - msOf(SPARE_BYTES)));
  }

  /** So many pieces of this host were read, of so many bytes in all. */
  took(nodeId: string, bytes: number, pieces = 1): void {
    const from = Math.max(this.nowMs(), this.#settledAt.get(nodeId) ?? 0);
    this.#settledAt.set(nodeId, from + msOf(bytes + pieces * COST_BYTES));
  }
}

function msOf(bytes: number): number {
  return (bytes / BYTES_A_SECOND) * 1_000;
}
