import type { RolledBack } from '#contracts';
import { readIfThere } from '../trust/key-file.js';
import { errorMessage } from '../config/error-facts.js';
import { Context } from '../health/context.js';

/** As the control plane takes them. */
const LONGEST = { from: 100, to: 100, at: 40, reason: 300 } as const;

/** Whether the last upgrade of this host was taken back, as the version that runs again has left word of it. */
export class LastUpgrade {
  #rolledBack: RolledBack | undefined;
  #toldProblem = '';

  constructor(
    private readonly path: string,
    private readonly around: Context,
  ) {}

  get rolledBack(): RolledBack | undefined {
    return this.#rolledBack;
  }

  /** Reads the word anew, since an upgrade that comes up ends it. Never rejects. */
  async refresh(): Promise<void> {
    try {
      const text = await readIfThere(this.path);
      this.#rolledBack = text === undefined ? undefined : parseRolledBack(text);
      this.#toldProblem = '';
    } catch (cause) {
      const problem = errorMessage(cause);
      if (problem !== this.#toldProblem)
        this.around.log.warn('whether the last upgrade was taken back is not known', {
          file: this.path,
          problem,
        });
      this.#toldProblem = problem;
    }
  }
}

/** Reads what upgrade.sh writes; what is longer than a report may hold is cut. Throws Error naming what is wrong. */
export function parseRolledBack(text: string): RolledBack {
  const parsed: unknown = JSON.parse(text);
  const member = (name: keyof RolledBack): string => {
    const value = (parsed as Partial<Record<keyof RolledBack, unknown>> | null)?.[name];
    if (typeof value !== 'string' || value === '') throw new Error(`${name} is no text`);
    return value.slice(0, LONGEST[name]);
  };
  const at = new Date(member('at'));
  if (Number.isNaN(at.getTime())) throw new Error('at is no time');
  return {
    from: member('from'),
    to: member('to'),
    at: at.toISOString(),
    reason: member('reason'),
  };
}
