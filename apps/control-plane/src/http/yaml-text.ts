import {
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  parseAllDocuments,
  visit,
  type Document,
  type YAMLMap,
} from 'yaml';
import { ProblemError, unreadable } from './problem.error.js';

/** The parser's own check for duplicate keys takes quadratic time, and it words each of its errors with its lines. */
const OPTIONS = {
  version: '1.2',
  uniqueKeys: false,
  prettyErrors: false,
  stringKeys: true,
} as const;

/** Reads one value from one document of YAML without duplicate keys and aliases. Throws ProblemError 400. */
export function parseOneYaml(text: string, maxDepth: number): unknown {
  const lines = new LineCounter();
  const [document, more] = compose(text, lines);
  if (!document) throw unreadable('the body is empty');
  if (more) throw unreadable('the body must hold exactly one document');
  const error = document.errors[0];
  if (error) throw unreadable(`${error.message.slice(0, 300)} ${placeOf(error.pos[0], lines)}`);
  refuseHazards(document, maxDepth);
  return document.toJS({ maxAliasCount: 0 }) as unknown;
}

function compose(text: string, lineCounter: LineCounter): Document.Parsed[] {
  try {
    const all = parseAllDocuments(text, { ...OPTIONS, lineCounter });
    return Array.isArray(all) ? all : [];
  } catch (cause) {
    // The parser recurses: `- - - …` can exhaust its stack, which is the caller's fault, not ours.
    throw new ProblemError('bad-request', { detail: 'the body cannot be parsed', cause });
  }
}

function placeOf(offset: number, lines: LineCounter): string {
  const { line, col } = lines.linePos(offset);
  return `at line ${line}, column ${col}`;
}

function refuseHazards(document: Document.Parsed, maxDepth: number): void {
  visit(document, (_key, node, path) => {
    if (path.length > maxDepth * 3) throw unreadable(`nested deeper than ${maxDepth} levels`);
    if (isAlias(node)) throw unreadable('anchors and aliases are not allowed');
    if (isMap(node)) refuseKeys(node);
  });
}

function refuseKeys({ items }: YAMLMap): void {
  const keys = new Set(items.map(({ key }) => (isScalar(key) ? key.value : key)));
  if (keys.size < items.length) throw unreadable('a mapping has the same key twice');
  if (keys.has('__proto__')) throw unreadable('the key __proto__ is not allowed');
}
