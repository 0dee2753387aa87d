import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { env } from 'node:process';
import { parse, stringify } from 'yaml';
import { CommandFailed } from '../errors.js';

/** Where the control plane is and how to prove both sides: a URL, a bearer token, and the CA in PEM. */
export interface Context {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
}

/** `~/.config/hostward/config.yaml`, or below `XDG_CONFIG_HOME`. */
export function contextFile(): string {
  return join(env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'hostward', 'config.yaml');
}

/** The context in force: the file's, each value overridden by HOSTWARD_URL, HOSTWARD_TOKEN and HOSTWARD_CA (a path). */
export async function loadContext(): Promise<Context> {
  const stored = await storedContext();
  const url = env['HOSTWARD_URL'] ?? stored?.url;
  const token = env['HOSTWARD_TOKEN'] ?? stored?.token;
  if (url === undefined || token === undefined) {
    throw new CommandFailed(
      `no control plane is known: ${contextFile()} is absent and HOSTWARD_URL or HOSTWARD_TOKEN is not set`,
      'run `./hostward up`, or set HOSTWARD_URL, HOSTWARD_TOKEN and HOSTWARD_CA',
    );
  }
  return { url: checkedUrl(url), token, ca: await overriddenCa(stored?.ca) };
}

/** Writes the context for later commands; the file is readable by its owner alone, since it holds the token. */
export async function saveContext(context: Context): Promise<string> {
  const file = contextFile();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.new`;
  await writeFile(temporary, stringify(context), { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, file);
  return file;
}

async function storedContext(): Promise<Partial<Context> | undefined> {
  const text = await readFile(contextFile(), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CommandFailed(`cannot read ${contextFile()}: ${error.message}`);
  });
  if (text === undefined) return undefined;
  const value: unknown = parse(text);
  if (typeof value !== 'object' || value === null) {
    throw new CommandFailed(
      `${contextFile()} holds no mapping`,
      'remove it and run `./hostward up`',
    );
  }
  return value;
}

async function overriddenCa(stored: string | undefined): Promise<string | undefined> {
  const path = env['HOSTWARD_CA'];
  if (path === undefined) return stored;
  return readFile(path, 'utf8').catch((error: Error) => {
    throw new CommandFailed(`HOSTWARD_CA: cannot read ${path}: ${error.message}`);
  });
}

function checkedUrl(url: string): string {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw new CommandFailed(
      `the control plane's URL "${url}" is not an https URL`,
      'use https://HOST:PORT',
    );
  }
  return url.replace(/\/+$/, '');
}
