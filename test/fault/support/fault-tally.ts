import type { FaultKind } from '../faults.js';

/** What this machine, or this run, does not have, or lets nobody but root do: faults of the kind cannot be done here. */
export class LackingHere extends Error {}

/** So many of a kind that at least one must have found its moment. */
const MANY = 5;

interface Tally {
  planned: number;
  done: number;
  /** It was tried when nothing stood in its way. */
  again: boolean;
  lacking?: string;
}

/** What has become of the faults of a run, by their kinds. */
export class FaultTally {
  readonly #kinds = new Map<FaultKind, Tally>();

  planned(kind: FaultKind): void {
    this.#of(kind).planned += 1;
  }

  done(kind: FaultKind): void {
    this.#of(kind).done += 1;
  }

  /** What could not be done, and why: what was to be killed did not run, or the machine lacks something. */
  notDone(kind: FaultKind, why: unknown): void {
    if (why instanceof LackingHere) this.#of(kind).lacking = why.message;
  }

  /** From now on one of this kind must be done. */
  triedAgain(kind: FaultKind): void {
    this.#of(kind).again = true;
  }

  /** Whether some were planned and none was done, though nothing is lacking here. */
  isMissing(kind: FaultKind): boolean {
    const { planned = 0, done = 0, lacking } = this.#kinds.get(kind) ?? {};
    return planned > 0 && done === 0 && lacking === undefined;
  }

  /** Kinds that are missing though many were planned, or though it was tried again. */
  get neverDone(): readonly string[] {
    return [...this.#kinds].flatMap(([kind, { planned, again }]) =>
      this.isMissing(kind) && (again || planned >= MANY)
        ? [`${kind}: ${planned} planned, none done`]
        : [],
    );
  }

  get words(): string {
    const kinds = [...this.#kinds];
    const sum = (of: 'planned' | 'done'): number =>
      kinds.reduce((total, [, each]) => total + each[of], 0);
    const each = kinds.map(([kind, { planned, done }]) => `${done}/${planned} ${kind}`);
    const lacking = kinds.flatMap(([kind, tally]) =>
      tally.lacking === undefined ? [] : [`; NOT POSSIBLE HERE: ${kind} (${tally.lacking})`],
    );
    return `${sum('done')} of ${sum('planned')} faults done (${each.join(', ')})${lacking.join('')}`;
  }

  #of(kind: FaultKind): Tally {
    const found = this.#kinds.get(kind) ?? { planned: 0, done: 0, again: false };
    this.#kinds.set(kind, found);
    return found;
  }
}
