import { Debouncer } from './debouncer.js';
import { Retry } from './retry.js';

const LOOK_MS = 100;

/** What is done in rounds. */
export interface Work {
  /** Never rejects; false where it is to be tried again after a while. */
  readonly round: () => Promise<boolean>;
  /** What is left: something to be done `now`, or only such as is to wait, which is looked at `later`. */
  readonly left: () => 'now' | 'later' | undefined;
}

/** When rounds begin, one after the other, as long as something is left. */
export class ReconcileLoop {
  readonly #debouncer = new Debouncer();
  readonly #retry = new Retry();
  #timer: NodeJS.Timeout | undefined;
  /** Whether the timer is for a look only, which nothing else has to wait for. */
  #looking = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(private readonly work: Work) {}

  /** A change has come: one begins when those that come with it are gathered. */
  gather(): void {
    this.#debouncer.add();
    this.#schedule('gathered');
  }

  /** Begins one at once, unless one runs or is to begin anyway. */
  begin(): void {
    this.#schedule(0);
  }

  /** Ends after the round that runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delay: number | 'gathered', look = false): void {
    if (this.#stopped || this.#running) return;
    if (this.#timer !== undefined && (look || !this.#looking)) return;
    clearTimeout(this.#timer);
    this.#looking = look;
    const delayMs = delay === 'gathered' ? this.#debouncer.begin() : delay;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        this.#scheduleNext();
      });
    }, delayMs);
  }

  async #run(): Promise<void> {
    if (await this.work.round()) this.#retry.succeeded();
    else this.#retry.failed();
  }

  #scheduleNext(): void {
    const left = this.work.left();
    if (left === undefined) return;
    const { delayMs } = this.#retry;
    if (delayMs > 0 || left === 'now') this.#schedule(delayMs || 'gathered');
    else this.#schedule(LOOK_MS, true);
  }
}
