import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const SOURCES = join(import.meta.dirname, '../native/src');
/** These define what a library or the C runtime calls, so nobody includes them. */
const WITHOUT_HEADER = ['glibc-compat.c', 'libelf-compat.c', 'main.c'];

const files = readdirSync(SOURCES);
const textOf = (file: string): string => readFileSync(join(SOURCES, file), 'utf8');
const withoutComments = (text: string): string => text.replaceAll(/\/\*[^]*?\*\//g, '');
/** Headers of this folder that a file includes. */
const includesOf = (file: string): readonly string[] =>
  [...textOf(file).matchAll(/^#include "([\w-]+\.h)"$/gm)]
    .map(([, name]) => name ?? '')
    .filter((name) => files.includes(name));

/** A circle of headers that begins and ends with the same one; empty where there is none. */
function circleFrom(file: string, path: readonly string[] = []): readonly string[] {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
  for (const next of includesOf(file)) {
    const circle = circleFrom(next, [...path, file]);
    if (circle.length > 0) return circle;
  }
  return [];
}

/** Functions that a header declares and does not define. */
const declaredIn = (header: string): readonly string[] =>
  [
    ...withoutComments(textOf(header)).matchAll(/^(?!static|typedef)\w[^\n;{}()]*?(hw_\w+)\(/gm),
  ].map(([, name]) => name ?? '');

describe('the headers of the sensor', () => {
  const headers = files.filter((file) => file.endsWith('.h'));
  const sources = files.filter((file) => file.endsWith('.c') && !WITHOUT_HEADER.includes(file));

  it('include each other without a circle', () => {
    expect(headers.length).toBeGreaterThan(50);
    expect(headers.map((header) => circleFrom(header)).filter(({ length }) => length > 0)).toEqual(
      [],
    );
  });

  it.each(sources)('has one of its own for %s, which includes it', (source) => {
    expect(includesOf(source)).toContain(source.replace(/c$/, 'h'));
  });

  it.each(headers)('declares in %s functions of its own file only', (header) => {
    const declared = declaredIn(header);
    const source = header.replace(/h$/, 'c');
    const text = files.includes(source) ? textOf(source) : '';
    const isDefined = (name: string): boolean =>
      new RegExp(`^(?!static)\\w[^\\n;{}()]*\\b${name}\\(`, 'm').test(text);
    expect(declared.filter((name) => !isDefined(name))).toEqual([]);
  });
});
