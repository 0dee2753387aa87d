import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { stdin } from 'node:process';
import { CommandFailed, UsageError } from '../output/errors.js';

export interface InputFile {
  /** As the user wrote it, or `<stdin>`. */
  readonly name: string;
  readonly text: string;
}

/** The policy files behind `-f`: a file, `-` for standard input, or a folder's *.yaml, *.yml and *.json, by name. */
export async function readInputs(paths: readonly string[]): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const path of paths) {
    if (path === '') throw new UsageError('the name of a file is empty: is a variable not set?');
    if (path === '-') files.push({ name: '<stdin>', text: await readAll() });
    else for (const name of await expand(path)) files.push({ name, text: await read(name) });
  }
  return files;
}

async function expand(path: string): Promise<string[]> {
  const found = await stat(path).catch(failure(path));
  if (!found.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  const files = names.filter((name) => /\.(ya?ml|json)$/.test(name)).sort();
  if (files.length === 0) {
    throw new CommandFailed(
      `${path} holds no *.yaml, *.yml or *.json file`,
      'name a file or another folder',
    );
  }
  return files.map((name) => join(path, name));
}

async function read(path: string): Promise<string> {
  return utf8(await readFile(path).catch(failure(path)), path);
}

/** Text as it was meant: what is not UTF-8 would come out as other characters, and those be sent, or signed. */
function utf8(bytes: Buffer, name: string): string {
  const text = decoded(bytes);
  if (text !== undefined) return text;
  const line = bytes
    .toString('latin1')
    .split('\n')
    .findIndex((each) => decoded(Buffer.from(each, 'latin1')) === undefined);
  throw new CommandFailed(
    `${name}, line ${line + 1}: these bytes are not UTF-8`,
    'save the file as UTF-8, e.g. by iconv -f latin1 -t utf-8',
  );
}

function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function failure(path: string): (error: Error) => never {
  return (error) => {
    const remedy = 'name a file, a folder, or - for standard input';
    throw new CommandFailed(`cannot read ${path}: ${error.message}`, remedy, { cause: error });
  };
}

/** Standard input to its end; throws CommandFailed unless it is UTF-8. */
export async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(chunk as Buffer);
  return utf8(Buffer.concat(chunks), '<stdin>');
}
