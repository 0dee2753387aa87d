/** Lines of both texts with `+`, `-` or a space before them, by the longest common subsequence. */
export function lineDiff(before: string, after: string): string[] {
  const a = before === '' ? [] : before.trimEnd().split('\n');
  const b = after === '' ? [] : after.trimEnd().split('\n');
  const lengths = table(a, b);
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(` ${a[i++] ?? ''}`);
      j++;
    } else if (j >= b.length || (i < a.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1))) {
      lines.push(`-${a[i++] ?? ''}`);
    } else {
      lines.push(`+${b[j++] ?? ''}`);
    }
  }
  return lines;
}

function table(a: readonly string[], b: readonly string[]): number[][] {
  const lengths = Array.from({ length: a.length + 1 }, () =>
    new Array<number>(b.length + 1).fill(0),
  );
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = lengths[i];
      if (row === undefined) continue;
      row[j] =
        a[i] === b[j]
          ? at(lengths, i + 1, j + 1) + 1
          : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
    }
  }
  return lengths;
}

function at(lengths: readonly number[][], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0;
}
