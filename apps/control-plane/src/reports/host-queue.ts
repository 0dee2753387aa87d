/**
 * Work by host: each host's at most once at a time, several hosts at once, and what fails is kept for `retry`. Work that
 * answers with milliseconds is asked for again after them, and not before, whoever asks; 0: it is done. Holds a host at
 * most twice (running and asked for again), so it is bounded by the number of hosts.
 */
export class HostQueue {
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #waiting = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #resting = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(
    private readonly work: (nodeId: string) => Promise<number>,
    private readonly onError: (nodeId: string, error: unknown) => void,
    private readonly atOnce = 32,
  ) {}

  /** Asks for work on a host. */
  add(nodeId: string): void {
    if (this.#stopped || this.#resting.has(nodeId)) return;
    if (this.#running.has(nodeId)) this.#again.add(nodeId);
    else this.#waiting.add(nodeId);
    this.#fill();
  }

  /** Asks again for what failed. */
  retry(): void {
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const nodeId of failed) this.add(nodeId);
  }

  /** Takes nothing more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const timer of this.#resting.values()) clearTimeout(timer);
    await Promise.all(this.#running.values());
  }

  #fill(): void {
    for (const nodeId of this.#waiting) {
      if (this.#running.size >= this.atOnce) return;
      this.#waiting.delete(nodeId);
      this.#running.set(nodeId, this.#run(nodeId));
    }
  }

  #rest(nodeId: string, forMs: number): void {
    if (this.#stopped) return;
    this.#again.delete(nodeId);
    const over = (): void => {
      this.#resting.delete(nodeId);
      this.add(nodeId);
    };
    this.#resting.set(nodeId, setTimeout(over, forMs));
  }

  async #run(nodeId: string): Promise<void> {
    try {
      const restMs = await this.work(nodeId);
      if (restMs > 0) this.#rest(nodeId, restMs);
    } catch (error) {
      this.#failed.add(nodeId);
      this.onError(nodeId, error);
    } finally {
      this.#running.delete(nodeId);
      if (this.#again.delete(nodeId)) this.#waiting.add(nodeId);
      // Not in this turn: a host whose work ends at once must not hold the thread.
      if (!this.#stopped) setImmediate(() => this.#fill());
    }
  }
}
