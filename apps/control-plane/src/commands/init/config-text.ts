import { isDeepStrictEqual } from 'node:util';
import { isMap, isNode, parseDocument, type Document } from 'yaml';
import { ConfigError } from '../../config/index.js';
import { readIfThere } from '../../config/private-file.js';

/**
 * The text of a configuration file with `made` in it: undefined takes a key away, and what else a person has written
 * stays, comments too. Throws ConfigError.
 */
export function configText(configFile: string, made: object): string {
  const document = parseDocument(readIfThere(configFile) ?? '');
  const error = document.errors[0];
  if (error) throw new ConfigError(configFile, 'not YAML', error.message, { cause: error });
  if (document.contents !== null && !isMap(document.contents))
    throw new ConfigError(configFile, 'no mapping', 'must be a mapping: correct or remove it');
  put(document, [], made);
  return String(document);
}

function put(document: Document, path: readonly string[], made: object): void {
  for (const [key, value] of Object.entries(made) as [string, unknown][]) {
    const at = [...path, key];
    const found = document.getIn(at, true);
    if (isMap(found) && isSection(value)) put(document, at, value);
    else if (value === undefined) remove(document, at);
    else if (!isDeepStrictEqual(isNode(found) ? found.toJS(document) : found, value))
      document.setIn(at, document.createNode(value, { aliasDuplicateObjects: false }));
  }
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function remove(document: Document, path: readonly string[]): void {
  if (document.hasIn(path)) document.deleteIn(path);
}
