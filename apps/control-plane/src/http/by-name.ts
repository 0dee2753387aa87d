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

/** Those of a list in order of names that come after `name` and begin with `prefix`, as they are asked for; all without. */
export function* following<T extends Named>(
  sorted: readonly T[],
  name = '',
  prefix = '',
): Generator<T> {
  for (let at = Math.max(firstAfter(sorted, name), firstWith(sorted, prefix)); ; at += 1) {
    const item = sorted[at];
    if (!item?.name.startsWith(prefix)) return;
    yield item;
  }
}

/** Where in a list in order of names the first is that begins with `prefix`, or would be. */
function firstWith(sorted: readonly Named[], prefix: string): number {
  const after = firstAfter(sorted, prefix);
  return sorted[after - 1]?.name === prefix ? after - 1 : after;
}
