import { readFile } from 'node:fs/promises';
import { env } from 'node:process';
import { CommandFailed, UsageError } from '../output/errors.js';
import { knownOrigin } from '../input/https-origin.js';
import { contextFile, readContexts, type StoredContext } from './context-file.js';

/** Where the control plane is and how to prove both sides: a URL, a bearer token, and the CA in PEM. */
export interface Context {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
}

/**
 * The context in force: the one that is named, by `--context` or HOSTWARD_CONTEXT, or else the current one of the
 * file; each value is overridden by HOSTWARD_URL, HOSTWARD_TOKEN and HOSTWARD_CA (a path).
 */
export async function loadContext(named?: string): Promise<Context> {
  const stored = await storedContext(named ?? filled('HOSTWARD_CONTEXT'));
  const url = filled('HOSTWARD_URL') ?? stored?.url;
  const token = filled('HOSTWARD_TOKEN') ?? (stored && tokenOf(stored));
  if (url === undefined || token === undefined) {
    if (url !== undefined)
      throw new CommandFailed(
        'you are not logged in, and HOSTWARD_TOKEN is not set',
        '`hostward login --user NAME`, or set HOSTWARD_TOKEN',
      );
    throw new CommandFailed(
      `no control plane is known: ${contextFile()} names none, and HOSTWARD_URL is not set`,
      'run `./hostward up`, or set HOSTWARD_URL, HOSTWARD_TOKEN and HOSTWARD_CA',
    );
  }
  const source = filled('HOSTWARD_URL') === undefined ? inFile() : 'HOSTWARD_URL';
  return {
    url: knownOrigin(source, url),
    token: checkedToken(token),
    ca: await overriddenCa(stored?.ca),
  };
}

/**
 * The context to log in to, which needs no token: its name, and where it is.
 */
export async function loginContext(
  named?: string,
): Promise<{ readonly name: string; readonly context: Context }> {
  const name = named ?? filled('HOSTWARD_CONTEXT') ?? (await readContexts()).current;
  const stored = await storedContext(name);
  if (name === undefined || stored === undefined)
    throw new CommandFailed(
      `no control plane is known: ${contextFile()} names none`,
      'name it by `hostward login --user NAME (or --oidc) --url https://HOST:PORT --ca FILE`',
    );
  return { name, context: await contextToLogIn(stored) };
}

/** The same of one that is not kept yet. */
export async function contextToLogIn({ url, ca }: Omit<StoredContext, 'token'>): Promise<Context> {
  return { url: knownOrigin(inFile(), url), token: 'login', ca: await overriddenCa(ca) };
}

/** What the file holds of the control plane that commands go to; undefined where HOSTWARD_URL says which one it is. */
export async function storedContextInForce(named?: string): Promise<StoredContext | undefined> {
  if (filled('HOSTWARD_URL') !== undefined) return undefined;
  return storedContext(named ?? filled('HOSTWARD_CONTEXT'));
}

/** HOSTWARD_TOKEN, where it is set. Throws CommandFailed where it is no token. */
export function tokenOfEnvironment(): string | undefined {
  const token = filled('HOSTWARD_TOKEN');
  return token === undefined ? undefined : checkedToken(token);
}

/** A login that has ended is said, not passed over: the other token may be worth more. */
function tokenOf({ token, session }: StoredContext): string | undefined {
  if (session === undefined) return token === '' ? undefined : token;
  if (Date.parse(session.expiresAt) > Date.now()) return session.token;
  const way = session.user.startsWith('oidc/') ? '--oidc' : `--user ${session.user}`;
  throw new CommandFailed(
    `your login as ${session.user} has ended`,
    `\`hostward login ${way}\`, or \`hostward logout\` to use the token of the context`,
  );
}

async function storedContext(named: string | undefined): Promise<StoredContext | undefined> {
  const { current, contexts } = await readContexts();
  const name = named ?? current;
  const found = name === undefined ? undefined : contexts[name];
  if (found !== undefined || name === undefined) return found;
  const names = Object.keys(contexts).join(', ') || 'none';
  const message = `there is no context "${name}" in ${contextFile()}; there is: ${names}`;
  if (named !== undefined) throw new UsageError(message);
  throw new CommandFailed(message, 'choose one by `hostward context use NAME`');
}

function filled(name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}

async function overriddenCa(stored: string | undefined): Promise<string | undefined> {
  const path = filled('HOSTWARD_CA');
  if (path === undefined) return stored;
  return readFile(path, 'utf8').catch((error: Error) => {
    throw new CommandFailed(
      `HOSTWARD_CA: cannot read ${path}: ${error.message}`,
      'name the PEM file of the CA, e.g. control-plane/pki/ca.pem of the data folder',
    );
  });
}

function inFile(): string {
  return `the URL of a context in ${contextFile()}:`;
}

/** A header cannot carry line ends; Node's own words for it would print the token. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function checkedToken(token: string): string {
  if (isToken(token)) return token;
  throw new CommandFailed(
    'the token holds characters that no token has',
    'check HOSTWARD_TOKEN for spaces and line ends',
  );
}
