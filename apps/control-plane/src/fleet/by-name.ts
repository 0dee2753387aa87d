interface Named {
  readonly name: string;
}

/** Where in a list in order of names the first after `name` is; its length if there is none. */
export function firstAfter(sorted: readonly Named[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.name ?? '') <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those of a list in order of names that come after `name`, as they are asked for; all without one. */
export function* following<T extends Named>(sorted: readonly T[], name = ''): Generator<T> {
  for (let at = firstAfter(sorted, name); at < sorted.length; at += 1) {
    const item = sorted[at];
    if (item) yield item;
  }
}
