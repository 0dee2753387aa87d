import { type Glob, literalPrefix, mergeText, printGlob } from './glob.js';

/** Patterns into which one with braces is taken apart at most: each may be written under several names. */
const MAX_APART = 8;

/** A pattern as written, and under each other spelling of what it begins with, braces taken apart. */
export function resolvedPattern(
  glob: Glob,
  resolve: (path: string) => readonly string[],
): readonly Glob[] {
  const all = apart(glob);
  const written = new Set(all.map(printGlob));
  const others = all
    .flatMap((one) => respelled(one, resolve))
    .map((one) => [printGlob(one), one] as const);
  return [glob, ...new Map(others.filter(([text]) => !written.has(text))).values()];
}

/** Each choice of the braces before the first wildcard by itself, from the left as far as that makes few. */
function apart(glob: Glob): readonly Glob[] {
  let all: readonly Glob[] = [glob];
  for (;;) {
    const count = all.reduce((sum, one) => sum + (leadingGroup(one)?.length ?? 1), 0);
    if (count === all.length || count > MAX_APART) return all;
    all = all.flatMap((one) => leadingGroup(one)?.map((choice) => chosen(one, choice)) ?? [one]);
  }
}

/** What a pattern may go on with behind the text that it begins with. */
function leadingGroup(glob: Glob): readonly Glob[] | undefined {
  const token = glob.find(({ type }) => type !== 'text');
  return token?.type === 'group' ? token.alternatives : undefined;
}

function chosen(glob: Glob, choice: Glob): Glob {
  const at = glob.findIndex(({ type }) => type === 'group');
  return mergeText([...glob.slice(0, at), ...choice, ...glob.slice(at + 1)]);
}

/** Under the other spellings of the folder before the first wildcard; of the whole where there is no wildcard. */
function respelled(glob: Glob, resolve: (path: string) => readonly string[]): readonly Glob[] {
  const text = literalPrefix(glob);
  const fixed = fixedPart(glob);
  if (fixed === '') return [];
  return resolve(fixed)
    .filter((spelling) => spelling !== fixed)
    .map((spelling) =>
      mergeText([{ type: 'text', text: spelling + text.slice(fixed.length) }, ...glob.slice(1)]),
    );
}

function fixedPart(glob: Glob): string {
  const text = literalPrefix(glob);
  const isPath = glob.length === 1 && !text.endsWith('/');
  return isPath ? text : text.slice(0, text.lastIndexOf('/'));
}

/** The folders that a pattern begins with, or the whole where there is no wildcard: what is looked up on the host. */
export function fixedParts(glob: Glob): readonly string[] {
  return apart(glob)
    .map(fixedPart)
    .filter((fixed) => fixed !== '');
}
