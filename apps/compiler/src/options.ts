import { parseArgs } from 'node:util';
import { wordsOf } from './words-of.js';

/** How the program was started; defaults are a Debian host's. */
export interface ServiceOptions {
  readonly mode: 'service';
  /** Listen here; absent: on the descriptor that systemd passed. */
  readonly socket?: string;
  readonly trustDir: string;
  readonly sealingKeyFile: string;
  /** The agent's configuration, for the owner's veto. */
  readonly configFile: string;
  readonly idleMs: number;
  readonly compileTimeoutMs: number;
  readonly host: HostOptions;
}

export interface OnceOptions {
  readonly mode: 'once';
  readonly policies: string;
  readonly out: string;
  readonly compileTimeoutMs: number;
  readonly host: HostOptions;
}

export interface HostOptions {
  readonly parser: string;
  /** File or directory of the kernel's AppArmor features. */
  readonly features: string;
  /** Root of the unit directories and of the paths that are resolved; `/` but in tests. */
  readonly root: string;
  readonly securityfs: string;
}

/** The command line is wrong; the message says what and how it should be. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `usage: hostward-compiler [--socket PATH] [--trust-dir DIR] [--sealing-key FILE] [--config FILE] [--idle-seconds N]
       hostward-compiler --once --policies FILE --out DIR [--features FILE]
both:  [--parser FILE] [--features FILE] [--root DIR] [--securityfs DIR] [--timeout-seconds N]`;

const FLAGS = {
  socket: { type: 'string' },
  'trust-dir': { type: 'string', default: '/etc/hostward/trust' },
  'sealing-key': { type: 'string' },
  config: { type: 'string', default: '/etc/hostward/agent.yaml' },
  'idle-seconds': { type: 'string', default: '60' },
  'timeout-seconds': { type: 'string', default: '90' },
  parser: { type: 'string', default: '/usr/sbin/apparmor_parser' },
  features: { type: 'string' },
  root: { type: 'string', default: '/' },
  securityfs: { type: 'string', default: '/sys/kernel/security' },
  once: { type: 'boolean', default: false },
  policies: { type: 'string' },
  out: { type: 'string' },
} as const;

type Environment = Readonly<Record<string, string | undefined>>;
type Flags = ReturnType<typeof parseFlags>;

/** @throws UsageError naming the flag */
export function parseOptions(
  args: readonly string[],
  env: Environment,
): ServiceOptions | OnceOptions {
  const flags = parseFlags(args);
  const host: HostOptions = {
    parser: flags.parser,
    features: flags.features ?? `${flags.securityfs}/apparmor/features`,
    root: flags.root,
    securityfs: flags.securityfs,
  };
  const compileTimeoutMs = milliseconds('timeout-seconds', flags['timeout-seconds']);
  return flags.once
    ? onceOptions(flags, env, host, compileTimeoutMs)
    : serviceOptions(flags, env, host, compileTimeoutMs);
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, strict: true }).values;
  } catch (cause) {
    throw new UsageError(wordsOf(cause), { cause });
  }
}

function serviceOptions(
  flags: Flags,
  env: Environment,
  host: HostOptions,
  compileTimeoutMs: number,
): ServiceOptions {
  const trustDir = flags['trust-dir'];
  const credentials = env.CREDENTIALS_DIRECTORY;
  const fallback =
    credentials === undefined ? `${trustDir}/sealing.key` : `${credentials}/sealing-key`;
  return {
    mode: 'service',
    socket: flags.socket,
    trustDir,
    sealingKeyFile: flags['sealing-key'] ?? fallback,
    configFile: flags.config,
    idleMs: milliseconds('idle-seconds', flags['idle-seconds']),
    compileTimeoutMs,
    host,
  };
}

/** Without signatures, so never where the sensor could be listening to the answer. */
function onceOptions(
  flags: Flags,
  env: Environment,
  host: HostOptions,
  compileTimeoutMs: number,
): OnceOptions {
  if (
    env.LISTEN_FDS !== undefined ||
    env.INVOCATION_ID !== undefined ||
    env.CREDENTIALS_DIRECTORY !== undefined
  ) {
    throw new UsageError('--once checks no signatures and is refused in a service');
  }
  if (flags.policies === undefined || flags.out === undefined)
    throw new UsageError('--once needs --policies and --out');
  return { mode: 'once', policies: flags.policies, out: flags.out, compileTimeoutMs, host };
}

function milliseconds(flag: string, seconds: string): number {
  if (!/^[1-9]\d{0,4}$/.test(seconds))
    throw new UsageError(`--${flag} is a whole number of seconds, got ${seconds}`);
  return Number(seconds) * 1000;
}
