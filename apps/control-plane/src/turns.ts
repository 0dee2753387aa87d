import { ProblemError } from './http/index.js';

/** Lets callers run one after another; beyond `maxWaiting` they are told to come back. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(private readonly maxWaiting: number) {}

  /** Runs `act` when all before it have ended, however they ended. */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.maxWaiting) {
      throw new ProblemError('unavailable', {
        detail: 'too many writes are waiting',
        headers: { 'retry-after': '2' },
      });
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
