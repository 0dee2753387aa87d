/**
 * Runs one piece of work at a time. Asked for again while it runs, it runs once more afterwards, however often it was
 * asked: so a storm of nudges costs two runs, and what happened during a run is never missed.
 */
export class SingleFlight {
  #running: Promise<void> | undefined;
  #again = false;

  /** `work` must not reject: its own errors are its own business. */
  constructor(private readonly work: () => Promise<void>) {}

  /** Resolves when a run that began after this call is over. */
  async run(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#loop();
      return this.#running;
    }
    this.#again = true;
    return this.#running;
  }

  async #loop(): Promise<void> {
    do {
      this.#again = false;
      await this.work();
    } while (this.#again);
    this.#running = undefined;
  }
}
