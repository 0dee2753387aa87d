import type { OutputFormat } from './print.js';
import { printObject } from './print.js';
import { renderTable, type Column } from './table.js';

/** What was heard of objects that are watched; `all`: there are no others. */
export interface Batch<T> {
  readonly all: boolean;
  readonly rows: readonly T[];
  /** Names of those that are there no more. */
  readonly gone: readonly string[];
}

/** What a kind of objects is called and how it is shown. */
export interface Watched<T> {
  readonly singular: string;
  readonly columns: readonly Column<T>[];
  readonly nameOf: (row: T) => string;
  /** Fields that change by themselves as time goes on. */
  readonly ticking?: readonly string[];
}

interface Known<T> {
  readonly row: T;
  readonly fingerprint: string;
}

/** Prints objects once, then each that changed in something but its age, and who is gone. */
export class WatchPrinter<T extends object> {
  readonly #known = new Map<string, Known<T>>();
  #begun = false;

  constructor(
    private readonly kind: Watched<T>,
    private readonly output: OutputFormat,
  ) {}

  print(batch: Batch<T>): void {
    const changed = batch.rows.filter((row) => this.#isNews(row));
    const gone = this.#goneBy(batch);
    for (const name of gone) this.#known.delete(name);
    this.#printRows(changed);
    for (const name of gone) console.error(`${this.kind.singular}/${name} is gone`);
    this.#begun = true;
  }

  #isNews(row: T): boolean {
    const name = this.kind.nameOf(row);
    const fingerprint = this.#fingerprintOf(row);
    const isNews = this.#known.get(name)?.fingerprint !== fingerprint;
    this.#known.set(name, { row, fingerprint });
    return isNews;
  }

  #goneBy({ all, rows, gone }: Batch<T>): readonly string[] {
    if (!all) return gone.filter((name) => this.#known.has(name));
    const there = new Set(rows.map((row) => this.kind.nameOf(row)));
    return [...this.#known.keys()].filter((name) => !there.has(name));
  }

  /** What whoever reads would see of a row, without what changes by itself: of an object all of it. */
  #fingerprintOf(row: T): string {
    if (this.output === 'json' || this.output === 'yaml') return this.#lastingOf(row);
    const lasting = this.kind.columns.filter((column) => !column.ticks);
    const revision = 'revision' in row ? row.revision : undefined;
    return JSON.stringify([lasting.map((column) => column.of(row)), revision]);
  }

  #lastingOf(row: T): string {
    const { ticking = [] } = this.kind;
    return JSON.stringify(Object.entries(row).filter(([field]) => !ticking.includes(field)));
  }

  /** Objects go one to a line or document: there is no end of a list. */
  #printRows(rows: readonly T[]): void {
    const { columns, nameOf } = this.kind;
    switch (this.output) {
      case 'json':
        return rows.forEach((row) => console.log(JSON.stringify(row)));
      case 'yaml':
        return rows.forEach((row) => (console.log('---'), printObject(row, 'yaml')));
      case 'name':
        return rows.forEach((row) => console.log(nameOf(row)));
      case 'table':
        return this.#printTable(columns, rows);
    }
  }

  /**
   * Columns are as wide as all that is known needs, so that what comes later stands below its title; it is shown to its
   * end, where the change may be.
   */
  #printTable(columns: readonly Column<T>[], rows: readonly T[]): void {
    if (rows.length === 0 && this.#begun) return;
    const among = [...this.#known.values()].map(({ row }) => row);
    console.log(renderTable(columns, rows, { header: !this.#begun, among, open: this.#begun }));
  }
}
