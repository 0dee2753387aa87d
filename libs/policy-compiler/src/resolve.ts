import { type RuleSet, rulesOf } from '#policy-model';
import { type Glob, GlobError, literalPrefix, parseGlob } from './glob.js';

/** Paths whose symlinks matter to a rule set, to be resolved on the host before it is compiled. */
export function pathsToResolve(ruleSet: RuleSet): readonly string[] {
  const paths = new Set<string>();
  for (const { document } of ruleSet.policies) {
    for (const rule of rulesOf(document)) {
      for (const source of rule.sources) paths.add(source);
      if (rule.object.kind !== 'process' && rule.object.kind !== 'file') continue;
      const { match } = rule.object;
      if (match.type === 'path') paths.add(match.path);
      if (match.type === 'directory') paths.add(match.dir.replace(/(?<=.)\/+$/, ''));
      if (match.type === 'pattern') addPatternBase(paths, match.pattern);
    }
  }
  return [...paths];
}

function addPatternBase(paths: Set<string>, pattern: string): void {
  try {
    const base = baseDirectory(parseGlob(pattern));
    if (base !== '') paths.add(base);
  } catch (error) {
    if (!(error instanceof GlobError)) throw error;
  }
}

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
