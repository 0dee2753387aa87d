import { UsageError } from '../output/errors.js';

/** For each key the values that hosts have, with their weights. */
export type LabelMixture = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** `env=prod:70,env=dev:30,tier=web:1`: weights of one key's values count among themselves. Throws UsageError. */
export function parseMixture(text: string): LabelMixture {
  const mixture = new Map<string, Map<string, number>>();
  for (const word of text.split(',').filter((each) => each !== '')) {
    const [, key, value, weight] = /^([^=]+)=([^:]*):(\d+)$/.exec(word) ?? [];
    if (key === undefined || value === undefined || Number(weight) < 1)
      throw new UsageError(
        `"${word}" is no part of a mixture: write key=value:weight, env=prod:70`,
      );
    mixture.set(key, (mixture.get(key) ?? new Map<string, number>()).set(value, Number(weight)));
  }
  return mixture;
}

/**
 * Labels of `count` hosts: of each key every value as often as its weight says, to one host, and evenly mixed with the
 * values of the keys before it. The same for the same mixture.
 */
export function labelsOf(mixture: LabelMixture, count: number): readonly Record<string, string>[] {
  const given = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const labels: Record<string, string> = {};
    for (const [key, weights] of mixture) {
      const before = JSON.stringify(labels);
      const countOf = (value: string): number => given.get(`${before} ${key}=${value}`) ?? 0;
      const value = mostLacking(weights, countOf);
      given.set(`${before} ${key}=${value}`, countOf(value) + 1);
      labels[key] = value;
    }
    return labels;
  });
}

/** The value that lies farthest behind its share; of equal ones the first. */
function mostLacking(
  weights: ReadonlyMap<string, number>,
  countOf: (value: string) => number,
): string {
  let [chosen, least] = ['', Infinity];
  for (const [value, weight] of weights) {
    const filled = (countOf(value) + 1) / weight;
    if (filled < least) [chosen, least] = [value, filled];
  }
  return chosen;
}
