import { notNow } from './index.js';

/** Lets callers run one after another; beyond `maxWaiting` they are told to come back. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** `what` is let run, in the plural, as who is told to come back reads it. */
  constructor(
    private readonly maxWaiting: number,
    private readonly what: string,
  ) {}

  /** Runs `act` when all before it have ended, however they ended. */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.maxWaiting) {
      throw notNow('busy', 'request', undefined, `came while too many ${this.what} were waiting`);
    }
    this.#waiting += 1;
    const mine = this.#last.then(act);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
    }
  }
}
