import type { CellEntry, PathEntry } from '../plan/types.js';
import { OPERATIONS, TABLE } from './layout.js';

/** What some rules together say: the decision as two halves of a u64, and the first audit, rule + 1, or 0. */
interface Saying {
  readonly high: number;
  readonly low: number;
  readonly audit: number;
}

/** What one rule says of an exec with an argument that is not in a set, by the number of the set. */
export interface Condition extends Saying {
  readonly set: number;
}

export interface Cell extends Saying {
  /** By rule. */
  readonly conditions: readonly Condition[];
}

type Ruled = Pick<PathEntry | CellEntry, 'rule' | 'effect' | 'rank'> & Pick<PathEntry, 'unless'>;

const SILENCE: Saying = { high: 0, low: 0, audit: 0 };
const DENY = TABLE.DECISION_DENY / 2 ** 32;
const SAYS = TABLE.DECISION_SAYS / 2 ** 32;
const RANK = 2 ** (TABLE.DECISION_RANK_SHIFT - 32);

/** Ranks by their order: what a decision has room for. */
export class Ranks {
  private readonly ordinals: ReadonlyMap<number, number>;

  constructor(ranks: Iterable<number>) {
    const sorted = [...new Set(ranks)].sort((a, b) => a - b);
    if (sorted.length > RANK) throw new RangeError(`more than ${RANK} degrees of precedence`);
    this.ordinals = new Map(sorted.map((rank, at) => [rank, at]));
  }

  ordinal(rank: number): number {
    return this.ordinals.get(rank) ?? 0;
  }
}

/** All distinct cells of a table, and its rows of them; the first cell says nothing. */
export class Decisions {
  readonly cells: Cell[] = [];
  /** Each of 18 cells by operation * 2 + asker. */
  readonly rows: (readonly number[])[] = [];
  /** Distinct sets of arguments. */
  readonly argumentSets: (readonly string[])[] = [];
  /** Rules with a set of arguments for which a cell had no room. */
  readonly surplus = new Set<number>();
  private readonly cellNumbers = new Map<string, number>();
  private readonly rowNumbers = new Map<string, number>();
  private readonly setNumbers = new Map<string, number>();

  constructor(private readonly ranks: Ranks) {
    this.intern({ ...SILENCE, conditions: [] });
  }

  /** The row of path entries that match together. */
  row(entries: readonly PathEntry[]): number {
    const row: number[] = [];
    for (const letter of OPERATIONS) {
      for (const asker of ['owner', 'other']) {
        const concerned = entries.filter(
          ({ perms, who }) => perms.includes(letter) && (who === 'any' || who === asker),
        );
        row.push(this.cell(concerned));
      }
    }
    return numberOf(this.rowNumbers, this.rows, row.join(), row);
  }

  /** The cell of entries that all speak of the same. */
  cell(entries: readonly Ruled[]): number {
    if (entries.length === 0) return 0;
    const always = entries.filter(({ unless }) => unless === undefined);
    const saying = always.reduce((cell, one) => this.with(cell, one), SILENCE);
    return this.intern({ ...saying, conditions: this.conditions(entries) });
  }

  private conditions(entries: readonly Ruled[]): readonly Condition[] {
    const made = entries.flatMap((entry) =>
      entry.unless === undefined
        ? []
        : [{ ...this.with(SILENCE, entry), set: this.setNumber(entry.unless), rule: entry.rule }],
    );
    // A rule may have several spellings of one path.
    const distinct = [...new Map(made.map((one) => [conditionKey(one), one])).values()];
    distinct.sort((a, b) => a.rule - b.rule);
    for (const { rule } of distinct.slice(TABLE.CONDITIONS_MAX)) this.surplus.add(rule);
    return distinct.slice(0, TABLE.CONDITIONS_MAX).map(({ rule: _, ...condition }) => condition);
  }

  /** What cannot be an argument, since it holds a NUL, is left out. */
  private setNumber(allowed: readonly string[]): number {
    const set = [...new Set(allowed)].filter((one) => !one.includes('\0')).sort();
    return numberOf(this.setNumbers, this.argumentSets, JSON.stringify(set), set);
  }

  private with(cell: Saying, { rule, effect, rank }: Ruled): Saying {
    if (effect === 'audit') {
      return { ...cell, audit: cell.audit === 0 ? rule + 1 : Math.min(cell.audit, rule + 1) };
    }
    const high = this.ranks.ordinal(rank) * RANK + (effect === 'deny' ? DENY : 0) + SAYS;
    const low = TABLE.DECISION_RULE - rule;
    const stronger = high > cell.high || (high === cell.high && low > cell.low);
    return stronger ? { ...cell, high, low } : cell;
  }

  private intern(cell: Cell): number {
    const conditions = cell.conditions.map((condition) => `;${conditionKey(condition)}`);
    return numberOf(this.cellNumbers, this.cells, `${keyOf(cell)}${conditions.join('')}`, cell);
  }
}

function keyOf({ high, low, audit }: Saying): string {
  return `${high},${low},${audit}`;
}

function conditionKey(condition: Condition): string {
  return `${condition.set},${keyOf(condition)}`;
}

function numberOf<T>(numbers: Map<string, number>, list: T[], key: string, value: T): number {
  const known = numbers.get(key);
  if (known !== undefined) return known;
  numbers.set(key, list.length);
  return list.push(value) - 1;
}
