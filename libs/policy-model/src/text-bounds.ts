import { Lexer } from 'yaml';

/** Size of a text in UTF-8; etcd's own limit for a request is 1.5 MiB. */
export const MAX_TEXT_BYTES = 1024 * 1024;

/** A text of this size holds some 10,900 of the shortest that are valid. */
export const MAX_DOCUMENTS = 20_000;

/** What to do with a text that is too much at once. */
export const IN_PARTS =
  'apply it in parts, each without --prune, which would delete what is in the others; delete by `hostward delete`';

/** Deeper than any document, and far below what the parser's recursion can bear. */
const MAX_NESTING = 64;

/** Whether a text is small enough to look at. */
export function fitsBound(text: string): boolean {
  if (text.length > MAX_TEXT_BYTES) return false;
  return (
    text.length * 3 <= MAX_TEXT_BYTES || new TextEncoder().encode(text).length <= MAX_TEXT_BYTES
  );
}

/**
 * Whether brackets, or indicators on one line, nest so deep that composing the document could exhaust the stack. It asks
 * the lexer, which does not recurse and knows a bracket from a bracket in a string. Nesting by indentation needs a
 * growing indent on each line and so cannot get beyond 1,450 levels in a text of the largest size.
 */
export function nestsTooDeep(text: string): boolean {
  let brackets = 0;
  let indicators = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '{' || token === '[') brackets += 1;
    else if (token === '}' || token === ']') brackets -= 1;
    // Within brackets a colon opens no level: a document in JSON has any number of them on its one line.
    else if (token === '-' || token === '?' || (token === ':' && brackets === 0)) indicators += 1;
    else if (token.includes('\n')) indicators = 0;
    if (brackets > MAX_NESTING || indicators > MAX_NESTING) return true;
  }
  return false;
}
