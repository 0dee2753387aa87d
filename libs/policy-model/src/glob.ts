/**
 * Whether `name` as a whole matches `glob`, in which `*` stands for any run of characters and nothing else is special.
 * KubeArmor compiles such a value as an unanchored regular expression, by which `web1*` also selects `myweb10` and a
 * hostile value can hang the matcher; here the cost is bounded by |glob| x |name| and both ends count.
 */
export function matchesGlob(glob: string, name: string): boolean {
  const [head = '', ...rest] = glob.split('*');
  const tail = rest.pop();
  if (tail === undefined) return glob === name;
  if (!name.startsWith(head) || !name.endsWith(tail)) return false;
  return containsInOrder(rest, name, head.length, name.length - tail.length);
}

/** The leftmost place of each part leaves the most room for those after it, so no backtracking is needed. */
function containsInOrder(
  parts: readonly string[],
  name: string,
  from: number,
  to: number,
): boolean {
  let position = from;
  for (const part of parts) {
    const found = name.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return position <= to;
}
