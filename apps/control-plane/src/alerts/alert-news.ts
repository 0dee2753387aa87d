/** Says that the store has something new; who hears it reads the store, so nothing is queued and nothing lost. */
export class AlertNews {
  readonly #waiting = new Set<() => void>();
  #told = 0;

  /** How often there was news: what to wait from. */
  get told(): number {
    return this.#told;
  }

  /** Whether somebody waits. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Wakes all who wait. */
  tell(): void {
    this.#told += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next news since `told` was `heard`, which may have been, after `timeoutMs`, or when `signal` aborts. */
  async next(heard: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || heard !== this.#told) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      signal.addEventListener('abort', wake);
      this.#waiting.add(wake);
    });
  }
}
