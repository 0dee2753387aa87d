/** A ratio of two things measured in the same rounds, with its 95 % interval. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Quantiles of Student's t for 95 %, two-sided, by degrees of freedom from 1. */
const T_95 = [
  12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093,
] as const;
const T_95_OF_MANY = 2.09;

/**
 * Geometric mean of the rounds' own ratios; the interval is Student's over their logarithms, so that it says how much
 * the rounds differ and nothing else. Of one round it is unbounded.
 */
export function ratioOf(values: readonly number[], baselines: readonly number[]): Ratio {
  const logs = values.map((value, round) => Math.log(value / (baselines[round] ?? value)));
  const mean = meanOf(logs);
  if (logs.length < 2) return { ratio: Math.exp(mean), low: 0, high: Infinity };
  const squares = logs.map((log) => (log - mean) ** 2);
  const deviation = Math.sqrt((meanOf(squares) * logs.length) / (logs.length - 1));
  const reach = ((T_95[logs.length - 2] ?? T_95_OF_MANY) * deviation) / Math.sqrt(logs.length);
  return { ratio: Math.exp(mean), low: Math.exp(mean - reach), high: Math.exp(mean + reach) };
}

/** The product of two ratios that were measured apart; their errors add as those of independent things do. */
export function productOf(a: Ratio, b: Ratio): Ratio {
  const ratio = a.ratio * b.ratio;
  const reach = Math.hypot(Math.log(a.high / a.ratio), Math.log(b.high / b.ratio));
  return { ratio, low: ratio * Math.exp(-reach), high: ratio * Math.exp(reach) };
}

/** Whether a ratio is at most `limit`; one whose interval holds the limit is neither met nor missed. */
export function verdictOf({ low, high }: Ratio, limit: number): 'met' | 'missed' | 'undecided' {
  if (high <= limit) return 'met';
  return low > limit ? 'missed' : 'undecided';
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
}
