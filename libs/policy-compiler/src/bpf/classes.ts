import type { Decisions } from './decisions.js';
import type { OwnedEntry, SetIndex } from './subjects.js';

/** What the accepting states of a table lead to: a row for most subjects, and rows of their own for some. */
export interface ObjectClass {
  readonly row: number;
  readonly exceptions: readonly (readonly [subject: number, row: number])[];
}

/**
 * Classes by what they mean for each subject: globs that mean the same share one, and then states. Directories above
 * what a pattern blocks share none: a move is told by the class that it leaves (hw_tbl_leave).
 */
export class ObjectClasses {
  /** The first stands for nothing, and has no record. */
  readonly all: ObjectClass[] = [{ row: 0, exceptions: [] }];
  private readonly numbers = new Map<string, number>();

  constructor(
    private readonly index: SetIndex,
    private readonly decisions: Decisions,
  ) {
    this.numbers.set(keyOf({ row: decisions.row([]), exceptions: [] }), 0);
  }

  /** The class of entries that match the same path; of another identity it is another. */
  of(entries: readonly OwnedEntry[], identity = ''): number {
    const row = this.rowFor(entries, 0);
    const exceptions = this.index
      .differing(new Set(entries.map(({ set }) => set)))
      .map((subject): [number, number] => [subject, this.rowFor(entries, subject)])
      .filter(([, own]) => own !== row);
    const made: ObjectClass = { row, exceptions };
    const key = `${keyOf(made)}${identity}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.all.length);
    return this.all.push(made) - 1;
  }

  private rowFor(entries: readonly OwnedEntry[], subject: number): number {
    return this.decisions.row(
      entries.filter(({ set }) => this.index.has(subject, set)).map(({ entry }) => entry),
    );
  }
}

function keyOf({ row, exceptions }: ObjectClass): string {
  return `${row};${exceptions.join(';')}`;
}
