import { isMap, parseDocument, type Document } from 'yaml';
import { ConfigError } from './config-error.js';

/** Variables that stand for a key: `HOSTWARD_CONTROL_PLANE__LISTEN__PORT` for `listen.port`. */
const PREFIX = 'HOSTWARD_CONTROL_PLANE__';
/** Two underscores between keys, one between the words of a key, whose first has a small letter. */
const NAME = /^[A-Z][A-Z0-9]*(?:__?[A-Z0-9]+)*$/;

/**
 * Puts what the environment says above what the file says: a value is YAML, for instance `7443` or `[a, b]`, and an empty one takes
 * the key away. Answers
 * which key came from which variable. Throws ConfigError, naming the variable.
 */
export function overlayEnvironment(
  document: Document,
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const sources = new Map<string, string>();
  for (const [name, text] of Object.entries(environment).toSorted()) {
    if (!name.startsWith(PREFIX) || text === undefined) continue;
    const path = pathOf(name);
    put(document, path, valueOf(name, text), name);
    sources.set(path.join('.'), name);
  }
  return sources;
}

/** The error of a key that came from the environment, with the variable's name; any other as it is. */
export function inTermsOf(sources: ReadonlyMap<string, string>, error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const { key, value, rule } = error;
  const found = [...sources].find(([path]) => key === path || key.startsWith(`${path}.`));
  if (found === undefined) return error;
  return new ConfigError(`${found[1]} (${key})`, value, rule, { cause: error });
}

function pathOf(name: string): readonly string[] {
  const rest = name.slice(PREFIX.length);
  if (NAME.test(rest)) return rest.split('__').map(camelCase);
  const rule = `must be ${PREFIX}KEY, or ${PREFIX}SECTION__KEY, in capitals`;
  throw new ConfigError(name, 'a variable', rule);
}

function camelCase(words: string): string {
  return words
    .toLowerCase()
    .replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function valueOf(name: string, text: string): unknown {
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, stringKeys: true });
  const [error] = document.errors;
  if (error) throw new ConfigError(name, 'not YAML', error.message, { cause: error });
  try {
    return document.toJS({ maxAliasCount: 0 }) as unknown;
  } catch (cause) {
    throw new ConfigError(name, 'not plain', 'must not use anchors and aliases', { cause });
  }
}

/** Sections that the file lacks are made; a value where a section has to be is refused; no value takes a key away. */
function put(document: Document, path: readonly string[], value: unknown, name: string): void {
  for (let length = 1; length < path.length; length += 1) {
    const section = path.slice(0, length);
    const there: unknown = document.getIn(section);
    if (there === undefined || isMap(there)) continue;
    throw new ConfigError(name, JSON.stringify(value), `${section.join('.')} is no mapping`);
  }
  if (value === null) document.deleteIn(path);
  else document.setIn(path, value);
}
