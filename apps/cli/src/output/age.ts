const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

/** How long ago an ISO time was, in its largest unit: `12s`, `3m`, `2d`; `never` where there is none. */
export function age(iso: string | undefined, now: number): string {
  if (iso === undefined) return 'never';
  const elapsed = Math.max(0, now - Date.parse(iso));
  const unit = UNITS.find(([, size]) => elapsed >= size);
  return unit === undefined ? '0s' : `${Math.floor(elapsed / unit[1])}${unit[0]}`;
}

/** As a part of a sentence: `seen 12s ago`, `never seen`. */
export function seen(iso: string | undefined, now: number): string {
  return iso === undefined ? 'never seen' : `seen ${age(iso, now)} ago`;
}
