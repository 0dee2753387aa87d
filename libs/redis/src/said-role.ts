/** What the answer of HELLO says that the node is: `master` or `replica`; undefined where it does not say. */
export function saidRole(answer: unknown): string | undefined {
  if (!Array.isArray(answer)) return undefined;
  const words: readonly unknown[] = answer;
  const role = words[words.indexOf('role') + 1];
  return words.includes('role') && typeof role === 'string' ? role : undefined;
}
