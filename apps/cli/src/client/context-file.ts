import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { parse, stringify } from 'yaml';
import { CommandFailed, messageOf } from '../output/errors.js';
import { writeOutput } from '../output/output-file.js';

/** A control plane as the file knows it; `ca` in PEM, `dataDir` where an `up` on this machine made it. */
export interface StoredContext {
  readonly url: string;
  readonly token: string;
  readonly ca?: string;
  readonly dataDir?: string;
  /** Of `hostward login`: it is used in the place of `token`, which stays. */
  readonly session?: StoredSession;
}

/** What a login gave; `expiresAt` in ISO 8601. */
export interface StoredSession {
  readonly user: string;
  readonly token: string;
  readonly expiresAt: string;
}

/** All control planes that this user knows, by name, and the one that is meant when none is named. */
export interface Contexts {
  readonly current?: string;
  readonly contexts: Readonly<Record<string, StoredContext>>;
}

/** `~/.config/hostward/config.yaml`, or below `XDG_CONFIG_HOME`. */
export function contextFile(configHome = env['XDG_CONFIG_HOME']): string {
  return join(configHome || join(homedir(), '.config'), 'hostward', 'config.yaml');
}

/** What the file holds; nothing where it is absent. Throws where it cannot be understood: it is never overwritten then. */
export async function readContexts(file = contextFile()): Promise<Contexts> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CommandFailed(`cannot read ${file}: ${error.message}`);
  });
  return text === undefined ? { contexts: byName({}) } : checked(parsed(text, file), file);
}

/** Writes the file anew, readable by its owner alone, since it holds tokens. */
export async function writeContexts(contexts: Contexts): Promise<void> {
  const remedy = 'XDG_CONFIG_HOME names another folder';
  await writeOutput(contextFile(), stringify(contexts), { makesFolder: true, remedy });
}

function parsed(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const why = messageOf(error);
    throw new CommandFailed(`${file} is not YAML: ${why}`, `mend it, or move it away`);
  }
}

function checked(value: unknown, file: string): Contexts {
  const broken = (what: string): CommandFailed =>
    new CommandFailed(`${file}: ${what}`, 'mend it, or move it away and write it by `context add`');
  if (!isMapping(value) || !isMapping(value['contexts'])) throw broken('holds no contexts');
  const { current, contexts } = value;
  if (current !== undefined && typeof current !== 'string') throw broken('current is not a name');
  for (const [name, each] of Object.entries(contexts)) {
    if (!isMapping(each) || typeof each['url'] !== 'string' || typeof each['token'] !== 'string')
      throw broken(`the context ${name} has no url and token`);
    if (each['session'] !== undefined && !isSession(each['session']))
      throw broken(`the login of the context ${name} cannot be read`);
  }
  return { current, contexts: byName(contexts as Contexts['contexts']) };
}

/** Without a prototype: what every object has is no context of that name. */
function byName(contexts: Contexts['contexts']): Contexts['contexts'] {
  return Object.assign(Object.create(null) as object, contexts);
}

function isSession(value: unknown): value is StoredSession {
  if (!isMapping(value)) return false;
  return ['user', 'token', 'expiresAt'].every((key) => typeof value[key] === 'string');
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
