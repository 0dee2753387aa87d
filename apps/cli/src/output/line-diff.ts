/** Beyond this many pairs of lines a table of them costs too much; all lines between the common ends are shown then. */
const MAX_PAIRS = 4_000_000;
const CONTEXT_LINES = 3;

/** Lines of both texts with `+`, `-` or a space before them, by the longest common subsequence. */
export function lineDiff(before: string, after: string): string[] {
  const a = before === '' ? [] : before.trimEnd().split('\n');
  const b = after === '' ? [] : after.trimEnd().split('\n');
  const head = commonHead(a, b);
  const tail = commonHead(a.slice(head).reverse(), b.slice(head).reverse());
  const same = (line: string): string => ` ${line}`;
  return [
    ...a.slice(0, head).map(same),
    ...changes(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
}

/** The lines of a diff near a change; what is left out between them is one line `…`. */
export function inContext(lines: readonly string[]): string[] {
  const kept = new Set<number>();
  lines.forEach((line, i) => {
    if (line.startsWith(' ')) return;
    for (let near = i - CONTEXT_LINES; near <= i + CONTEXT_LINES; near++) kept.add(near);
  });
  return lines.flatMap((line, i) => {
    if (kept.has(i)) return [line];
    return i === 0 || kept.has(i - 1) ? ['…'] : [];
  });
}

function commonHead(a: readonly string[], b: readonly string[]): number {
  const different = a.findIndex((line, i) => line !== b[i]);
  return different === -1 ? Math.min(a.length, b.length) : different;
}

function changes(a: readonly string[], b: readonly string[]): string[] {
  const lines: string[] = [];
  if (a.length * b.length > MAX_PAIRS)
    return [...a.map((line) => `-${line}`), ...b.map((line) => `+${line}`)];
  const lengths = table(a, b);
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
