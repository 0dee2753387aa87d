import { isAlias, isMap, isScalar, parseAllDocuments, visit, type Document } from 'yaml';
import { ProblemError } from './problem.error.js';

const MAX_DEPTH = 64;
const MAX_CHARS = 256 * 1024;

/**
 * Reads one value from JSON or YAML text, strictly: one document, no duplicate keys, no aliases, bounded depth.
 * Throws ProblemError 400.
 */
export function parseOneValue(text: string): unknown {
  if (text.length > MAX_CHARS) {
    throw new ProblemError('too-large', { detail: `this body may have ${MAX_CHARS} characters` });
  }
  refuseDepth(text);
  const [document, more] = compose(text);
  if (!document) throw unreadable('the body is empty');
  if (more) throw unreadable('the body must hold exactly one document');
  const error = document.errors[0];
  if (error) throw unreadable(error.message.slice(0, 300));
  refuseHazards(document);
  return document.toJS({ maxAliasCount: 0 }) as unknown;
}

function compose(text: string): Document.Parsed[] {
  try {
    const all = parseAllDocuments(text, { version: '1.2', uniqueKeys: true, stringKeys: true });
    return Array.isArray(all) ? all : [];
  } catch (cause) {
    // The parser recurses: `- - - …` can exhaust its stack, which is the caller's fault, not ours.
    throw new ProblemError('bad-request', { detail: 'the body cannot be parsed', cause });
  }
}

/** Counts brackets before the parser recurses: a body of a million `[` must not exhaust the stack. */
function refuseDepth(text: string): void {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > MAX_DEPTH) throw unreadable(`nested deeper than ${MAX_DEPTH} levels`);
  }
}

function refuseHazards(document: Document.Parsed): void {
  visit(document, (_key, node, path) => {
    if (path.length > MAX_DEPTH * 3) throw unreadable(`nested deeper than ${MAX_DEPTH} levels`);
    if (isAlias(node)) throw unreadable('anchors and aliases are not allowed');
    if (
      isMap(node) &&
      node.items.some((pair) => isScalar(pair.key) && pair.key.value === '__proto__')
    ) {
      throw unreadable('the key __proto__ is not allowed');
    }
  });
}

function unreadable(detail: string): ProblemError {
  return new ProblemError('bad-request', { detail });
}
