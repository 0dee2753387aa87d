/** How a time grows with the hosts of a fleet; ms for each 1,000 of them, in the smallest and in the largest. */
export interface Slope {
  readonly smallest: number;
  readonly largest: number;
  /** The power of hosts by which it grows: 1 is linear. */
  readonly exponent: number;
}

/** Linear but for noise: as much as a quarter more for each host of a fleet of ten times as many. */
export const NOT_WORSE_THAN_LINEAR = 1.1;

/** Of times by number of hosts, two or more different numbers in ascending order: the line through their logarithms. */
export function slopeOf(points: readonly { readonly nodes: number; readonly ms: number }[]): Slope {
  const perThousand = points.map(({ nodes, ms }) => (1_000 * ms) / nodes);
  const x = points.map(({ nodes }) => Math.log(nodes));
  const y = points.map(({ ms }) => Math.log(ms));
  const [meanX, meanY] = [meanOf(x), meanOf(y)];
  const covariance = meanOf(x.map((each, at) => (each - meanX) * ((y[at] ?? 0) - meanY)));
  const variance = meanOf(x.map((each) => (each - meanX) ** 2));
  return {
    smallest: perThousand[0] ?? 0,
    largest: perThousand.at(-1) ?? 0,
    exponent: covariance / variance,
  };
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
}
