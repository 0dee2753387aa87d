import { type Glob, literalPrefix } from './glob.js';

/** The directory before the first wildcard, without its final slash; empty for the root. */
function baseDirectory(glob: Glob): string {
  const prefix = literalPrefix(glob);
  return prefix.slice(0, prefix.lastIndexOf('/'));
}

/** A pattern under each spelling of the directory that it begins with. */
export function resolvedPattern(
  glob: Glob,
  resolve: (path: string) => readonly string[],
): readonly Glob[] {
  const base = baseDirectory(glob);
  const [first, ...rest] = glob;
  if (base === '' || first?.type !== 'text') return [glob];
  const tail = first.text.slice(base.length);
  const found = resolve(base);
  const bases = [...new Set(found.length > 0 ? found : [base])];
  return bases.map((spelling) => [
    { type: 'text', text: `${spelling === '/' ? '' : spelling}${tail}` },
    ...rest,
  ]);
}
