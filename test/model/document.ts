import { readFileSync } from 'node:fs';
import { extname } from 'node:path';

const ROOT = new URL('../../', import.meta.url);
const DOCUMENT = 'docs/reference/protocol/model.md';

/** A step of a model, and the declarations that are it in the code: `path#name`. */
export interface StepRow {
  readonly step: string;
  readonly code: readonly string[];
}

/** The rows of the tables of steps in docs/reference/protocol/model.md, under this heading or all. */
export function stepRows(heading?: string): readonly StepRow[] {
  const sections = textOf(DOCUMENT).split(/^## /m);
  const lines = sections
    .filter((section) => heading === undefined || section.startsWith(`${heading}\n`))
    .flatMap((section) => section.split('\n'));
  return lines.flatMap((line) => {
    const [, step = '', cell = ''] = /^\| (.+?) *\| (.*`.*#.*`.*?) *\|$/.exec(line) ?? [];
    const code = cell.matchAll(/`([^`]+)`/g).map(([, each = '']) => each);
    return step === '' ? [] : [{ step, code: [...code] }];
  });
}

/** The steps that have a row under this heading. */
export function stepsUnder(heading: string): readonly string[] {
  return stepRows(heading)
    .map(({ step }) => step)
    .sort();
}

/** The rules of the checker of a run under faults that have a row. */
export function rulesNamed(): readonly string[] {
  return [...textOf(DOCUMENT).matchAll(/^\| `(\w+)` +\|/gm)].map(([, rule = '']) => rule);
}

/** Whether the file is there and declares the name; to call it, or to speak of it, is not enough. */
export function isDeclared(reference: string): boolean {
  const [path = '', name = ''] = reference.split('#');
  return declares(textOf(path), extname(path), name);
}

/** By the format that all sources have: in C functions begin a line, in TypeScript members are indented once. */
export function declares(text: string, extension: string, name: string): boolean {
  const declaration =
    extension === '.c'
      ? String.raw`^[a-z][\w ]*[ *]${name}\([^;]*$`
      : String.raw`^(?:export )?(?:abstract )?(?:async )?(?:class|function|const) ${name}\b|` +
        String.raw`^  (?:(?:override|private|static|async|get) )*\*?#?${name}(?:<.*>)?\((?:.*[({])?$`;
  return new RegExp(declaration, 'm').test(text);
}

function textOf(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}
