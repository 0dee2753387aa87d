import { writeFileAtomic } from '../config/atomic-file.js';
import { SingleFlight } from './single-flight.js';
import { Context } from './context.js';

/** Keeps health.json as the agent's own list of what is wrong: it opens no port on which to be asked. */
export class HealthFile {
  readonly #flight = new SingleFlight(() => this.#write());
  #failed = false;

  constructor(
    private readonly path: string,
    private readonly around: Context,
    private readonly facts: () => object,
  ) {}

  /** Writes the list of this moment. Never rejects. */
  write(): Promise<void> {
    return this.#flight.run();
  }

  async #write(): Promise<void> {
    const { clock, conditions, log } = this.around;
    const content = {
      asOf: new Date(clock.now()).toISOString(),
      conditions: conditions.list(),
      ...this.facts(),
    };
    try {
      await writeFileAtomic(this.path, `${JSON.stringify(content, undefined, 2)}\n`, {
        mode: 0o644,
      });
      this.#failed = false;
    } catch (cause) {
      if (!this.#failed) log.warn('health file not written', { file: this.path, cause });
      this.#failed = true;
    }
  }
}
