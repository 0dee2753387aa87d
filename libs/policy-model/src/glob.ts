/**
 * Whether `name` as a whole matches `glob`, in which `*` stands for any run of characters, `one` for a single one where
 * the language of the glob has that, and nothing else is special. KubeArmor compiles such a value as an unanchored regular
 * expression, by which `web1*` also selects `myweb10` and a hostile value can hang the matcher; here the cost is bounded by
 * |glob| x |name| and both ends count.
 */
export function matchesGlob(glob: string, name: string, one?: string): boolean {
  let at = 0;
  let position = 0;
  // Only the last star is ever taken back: what lies before it is where it leaves the most room for what comes after.
  let star: { readonly at: number; position: number } | undefined;
  while (position < name.length) {
    const wanted = glob[at];
    if (wanted === '*') {
      star = { at, position };
      at += 1;
    } else if (wanted !== undefined && (wanted === name[position] || wanted === one)) {
      at += 1;
      position += 1;
    } else if (star) {
      star.position += 1;
      position = star.position;
      at = star.at + 1;
    } else return false;
  }
  while (glob[at] === '*') at += 1;
  return at === glob.length;
}
