/** Of what a value is; `x` is a ratio. */
export type Unit =
  | 'us'
  | 'ms'
  | 's'
  | 'KiB'
  | 'MiB'
  | 'ms for 1,000 hosts'
  | 'power of hosts'
  | '% of a core'
  | 'x'
  | 'writes'
  | 'commands'
  | 'bytes'
  | 'answers'
  | 'hosts'
  | 'instructions'
  | 'records'
  | 'records/s'
  | 'core-hours'
  | 'GiB-hours'
  | 'GB'
  | 'of the currency';

/** One measured value and, measured in the same run, what it is compared with. */
export interface Measurement {
  readonly metric: string;
  readonly value: number;
  readonly unit: Unit;
  readonly baseline?: number;
}

/** One line of `--json`. `on` says on what it was measured, so that a line kept by itself still tells. */
export interface BenchLine {
  readonly bench: string;
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: Unit;
  readonly baseline: number | null;
  readonly ratio: number | null;
  readonly on: string;
}

/** The line of a measurement; the ratio is value over baseline, absent where there is none or it is nothing. */
export function lineOf(
  bench: string,
  caseName: string,
  { metric, value, unit, baseline }: Measurement,
  on: string,
): BenchLine {
  const ratio = baseline === undefined || baseline <= 0 ? null : rounded(value / baseline);
  return {
    bench,
    case: caseName,
    metric,
    value: rounded(value),
    unit,
    baseline: baseline === undefined ? null : rounded(baseline),
    ratio,
    on,
  };
}

/** Three significant digits, but never less than whole numbers: more would claim what was not measured. */
export function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
