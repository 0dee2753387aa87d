/** What stands before the arguments of a set in the automaton that all sets share. */
export function prefixOfSet(set: number): string {
  return `${set}/`;
}
