import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A secret that lies in a file of its own, by the file's path below the folder. */
export interface FiledSecret {
  readonly file: string;
  readonly word: string;
}

const SECRET_FILE = /\.(key|secret|password)$|^channel-key\.json$/;
/** As much of a secret as nothing else has. */
const WORD_CHARS = 40;
/** What of the second line of a P-256 key in PEM is of its private number; the rest is public. */
const PEM_WORD_CHARS = 24;

/** Every private key, password and shared key in the files of a folder and below. */
export async function filedSecrets(folder: string): Promise<readonly FiledSecret[]> {
  const files = await filesBelow(folder);
  const secrets = files.filter((file) => SECRET_FILE.test(file.slice(file.lastIndexOf('/') + 1)));
  return Promise.all(
    secrets.map(async (file) => ({
      file: file.slice(folder.length + 1),
      word: wordOf(await readFile(file, 'utf8')),
    })),
  );
}

/** All regular files below a folder. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** Permission bits of a file. */
export async function modeOf(file: string): Promise<string> {
  return ((await stat(file)).mode & 0o777).toString(8);
}

/** Of a P-256 key in PEM a part that is its private number's. */
export function pemWord(text: string): string {
  const [, pem = ''] = /-----BEGIN [A-Z ]+-----\n\S+\n(\S+)/.exec(text) ?? [];
  return pem.slice(0, PEM_WORD_CHARS);
}

/** A part that is secret, and stands on one line: the beginning of a key is the same in all of a kind. */
function wordOf(text: string): string {
  if (text.includes('-----BEGIN ')) return pemWord(text);
  const shared = /"key":\s*"([^"]+)"/.exec(text)?.[1];
  return (shared ?? text.trim()).replace(/=+$/, '').slice(-WORD_CHARS);
}

/** Command line and environment of a process, as anybody on the machine, or its own user, reads them. */
export async function shownOf(pid: number): Promise<Record<'cmdline' | 'environ', string>> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  return { cmdline: await read('cmdline'), environ: await read('environ') };
}
