/** Says that the store has something new; who hears it reads the store, so nothing is queued and nothing lost. */
export class AlertNews {
  readonly #waiting = new Set<() => void>();

  /** Wakes all who wait. */
  tell(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next news, after `timeoutMs`, or when `signal` aborts. */
  async next(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
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
