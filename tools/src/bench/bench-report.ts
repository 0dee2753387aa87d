import { renderTable, type Column } from '../../../apps/cli/src/output/table.js';
import { tone } from '../../../apps/cli/src/output/style.js';
import { lineOf, rounded, type BenchLine, type Measurement, type Unit } from './measurement.js';

/** Where the values of a bench go: tables for people, or one JSON object a line with all else on standard error. */
export class BenchReport {
  constructor(
    private readonly bench: string,
    private readonly on: string,
    private readonly json: boolean,
  ) {}

  /** What is going on or must be known. */
  note(text: string): void {
    if (this.json) console.error(text);
    else console.log(text);
  }

  /** Values of a case; `about` says what is measured and what the baseline is. */
  case(name: string, about: string, measurements: readonly Measurement[]): void {
    const lines = measurements.map((measured) => lineOf(this.bench, name, measured, this.on));
    if (this.json) return lines.forEach((line) => console.log(JSON.stringify(line)));
    console.log(`\n${tone(name, 'bold')}: ${about}`);
    console.log(renderTable(COLUMNS, lines));
  }

  /** Whether an aim was reached. */
  aim(what: string, value: number, limit: number, unit: Unit): void {
    this.verdict(`${what} within ${limit} ${unit}`, value <= limit, `${rounded(value)} ${unit}`);
  }

  /** Whether there was as much as there is to be. */
  least(what: string, value: number, limit: number, unit: Unit): void {
    const wanted = `${what}, at least ${limit} ${unit}`;
    this.verdict(wanted, value >= limit, `${rounded(value)} ${unit}`);
  }

  /** Whether a ratio to its baseline was reached. */
  ratio(what: string, value: number, limit: number): void {
    this.verdict(`${what}, at most x${limit}`, value <= limit, `x${value.toFixed(2)}`);
  }

  /** Whether something grows not worse than linear with the hosts; `most` is the exponent that is linear but for noise. */
  linear(what: string, exponent: number, most: number): void {
    const value = `exponent ${exponent.toFixed(2)}`;
    this.verdict(`${what}, not worse than linear`, exponent <= most, value);
  }

  private verdict(aim: string, met: boolean, value: string): void {
    this.note(`aim: ${aim}: ${tone(met ? 'met' : 'MISSED', met ? 'green' : 'red')} (${value})`);
  }
}

const COLUMNS: readonly Column<BenchLine>[] = [
  { title: 'METRIC', of: ({ metric }) => metric },
  { title: 'VALUE', of: ({ value, unit }) => `${value} ${unit}` },
  { title: 'BASELINE', of: ({ baseline }) => (baseline === null ? '-' : String(baseline)) },
  { title: 'RATIO', of: ({ ratio }) => (ratio === null ? '-' : String(ratio)) },
];
