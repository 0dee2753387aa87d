import { readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env, kill, pid, stderr, stdin } from 'node:process';
import { createInterface } from 'node:readline/promises';
import { CommandFailed, UsageError } from '../output/errors.js';
import { readSecret } from '../input/secret.js';
import { HostKeys, type Confirm } from './host-keys.js';
import type { Access } from './on-each-host.js';
import { parseTarget } from './target.js';

/** What a person says about how hosts are reached. */
export interface LoginOptions {
  readonly jump?: string;
  readonly identity?: string;
  readonly askPassword?: boolean;
  readonly passwordFile?: string;
  readonly askSudoPassword?: boolean;
  readonly sudoPasswordFile?: string;
  readonly knownHosts?: string;
  readonly hostKeyFingerprint: readonly string[];
}

/** Reads every secret once, before the first host; none comes from a command line. */
export async function readAccess(options: LoginOptions): Promise<Access> {
  const password = await secretOf('password', options.passwordFile, options.askPassword);
  const sudoPassword = await secretOf(
    'sudo password',
    options.sudoPasswordFile,
    options.askSudoPassword,
  );
  // A key that is named is the one that is meant.
  const agent = options.identity === undefined ? await ownAgent() : undefined;
  return {
    credentials: {
      password,
      privateKey: options.identity === undefined ? await ownKey() : await keyOf(options.identity),
      agent,
    },
    sudoPassword: sudoPassword ?? password,
    hostKeys: await HostKeys.read({
      files: knownHostsFiles(options.knownHosts),
      fingerprints: options.hostKeyFingerprint,
      confirm: stdin.isTTY ? ask : undefined,
    }),
    jump: options.jump === undefined ? undefined : parseTarget(options.jump),
  };
}

function knownHostsFiles(named: string | undefined): string[] {
  return named === undefined
    ? [join(homedir(), '.ssh', 'known_hosts'), '/etc/ssh/ssh_known_hosts']
    : [named];
}

const ask: Confirm = async (question, signal) => {
  const terminal = createInterface({ input: stdin, output: stderr });
  // Ctrl-C is a byte to readline, and must reach the whole run.
  terminal.on('SIGINT', () => kill(pid, 'SIGINT'));
  try {
    return /^y(es)?$/i.test((await terminal.question(question, { signal })).trim());
  } finally {
    terminal.close();
  }
};

async function secretOf(
  what: string,
  file: string | undefined,
  asked: boolean | undefined,
): Promise<string | undefined> {
  if (file !== undefined && asked)
    throw new UsageError(`the ${what} is asked for, and in a file: choose one`);
  if (asked) return readSecret(`${what}: `);
  if (file === undefined) return undefined;
  const text = (await readPrivate(file)).replace(/\r?\n$/, '');
  if (text !== '' && !/[\r\n]/.test(text)) return text;
  throw new CommandFailed(`${file} does not hold one ${what}`, 'write it as one line');
}

/** The file of a key that was named. */
async function keyOf(file: string): Promise<string> {
  return mustBeOpen(await readPrivate(file), file);
}

/** The key that ssh itself would take first, where it is there and not encrypted. */
async function ownKey(): Promise<string | undefined> {
  const file = join(homedir(), '.ssh', 'id_ed25519');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined || isEncrypted(text) ? undefined : text;
}

/** The ssh-agent, where one answers: a socket that leads nowhere would end a login that has other ways. */
function ownAgent(): Promise<string | undefined> {
  const path = env['SSH_AUTH_SOCK'];
  if (path === undefined || path === '') return Promise.resolve(undefined);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect(path);
  socket.once('connect', () => resolve(path)).once('error', () => resolve(undefined));
  return promise.finally(() => socket.destroy());
}

function mustBeOpen(text: string, file: string): string {
  if (!isEncrypted(text)) return text;
  throw new CommandFailed(
    `the key in ${file} is encrypted`,
    `give it to an ssh-agent: ssh-add ${file}`,
  );
}

/** OpenSSH's own form names its cipher at the beginning; PEM says it in words. */
function isEncrypted(text: string): boolean {
  if (/ENCRYPTED/.test(text)) return true;
  const [, body = ''] = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]*)-----END/.exec(text) ?? [];
  const bytes = Buffer.from(body, 'base64').toString('latin1');
  return body !== '' && !bytes.startsWith('openssh-key-v1\0\0\0\0\u0004none');
}

/** As ssh has it: a secret that others may read is none. */
async function readPrivate(file: string): Promise<string> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0)
      throw new CommandFailed(
        `${file} may be read by others (${(mode & 0o777).toString(8)})`,
        `chmod 600 ${file}`,
      );
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof CommandFailed) throw cause;
    throw new CommandFailed(`cannot read ${file}: ${String(cause)}`, undefined, { cause });
  }
}
