/** The value that `percent` of the samples do not exceed (nearest rank); 0 of none. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? 0;
}

/** The middle value. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

/** The greatest value; 0 of none. */
export function worst(samples: readonly number[]): number {
  return percentile(samples, 100);
}
