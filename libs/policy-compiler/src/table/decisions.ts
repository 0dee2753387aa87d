import type { CellEntry, PathEntry } from '../types.js';
import { OPERATIONS, TABLE } from './layout.js';

/** What some rules together say: the decision as two halves of a u64, and the first audit, rule + 1, or 0. */
export interface Cell {
  readonly high: number;
  readonly low: number;
  readonly audit: number;
}

type Ruled = Pick<PathEntry | CellEntry, 'rule' | 'effect' | 'rank'>;

const SILENCE: Cell = { high: 0, low: 0, audit: 0 };
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
  private readonly cellNumbers = new Map<string, number>();
  private readonly rowNumbers = new Map<string, number>();

  constructor(private readonly ranks: Ranks) {
    this.intern(SILENCE);
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
    return entries.length === 0
      ? 0
      : this.intern(entries.reduce((cell, one) => this.with(cell, one), SILENCE));
  }

  private with(cell: Cell, { rule, effect, rank }: Ruled): Cell {
    if (effect === 'audit') {
      return { ...cell, audit: cell.audit === 0 ? rule + 1 : Math.min(cell.audit, rule + 1) };
    }
    const high = this.ranks.ordinal(rank) * RANK + (effect === 'deny' ? DENY : 0) + SAYS;
    const low = TABLE.DECISION_RULE - rule;
    const stronger = high > cell.high || (high === cell.high && low > cell.low);
    return stronger ? { ...cell, high, low } : cell;
  }

  private intern(cell: Cell): number {
    return numberOf(this.cellNumbers, this.cells, `${cell.high},${cell.low},${cell.audit}`, cell);
  }
}

function numberOf<T>(numbers: Map<string, number>, list: T[], key: string, value: T): number {
  const known = numbers.get(key);
  if (known !== undefined) return known;
  numbers.set(key, list.length);
  return list.push(value) - 1;
}
