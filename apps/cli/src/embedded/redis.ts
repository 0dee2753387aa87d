import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program } from './supervised.js';
import { accepts, until } from './wait.js';

export interface RedisOptions {
  readonly command: string;
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly control: { readonly username: string; readonly password: string };
  readonly agents: { readonly username: string; readonly password: string };
}

/** What the user that all agents of the embedded Redis share may do: fetch, report, append events, ring. */
const AGENT_RIGHTS =
  'resetchannels resetkeys &hw:nudge:* &hw:check &hw:bell:* %R~hw:b:* %R~hw:n:*:asg %R~hw:n:*:cur %W~hw:n:*:state ' +
  '-@all +get +set +publish +subscribe +unsubscribe +psubscribe +ping +hello +auth +quit +client|setinfo +client|setname ' +
  '(%W~hw:n:*:ev +xadd)';

/**
 * The embedded Redis: TLS 1.3 only, no persistence (all it holds can be made again), two users and no default one.
 * Passwords stand in its configuration file, which its owner alone can read, and in no argument.
 */
export async function redisProgram(options: RedisOptions): Promise<Program> {
  const file = join(options.dataDir, 'redis.conf');
  await writeFile(file, configuration(options), { mode: 0o600 });
  return {
    name: 'redis',
    command: options.command,
    args: [file],
    logFile: join(options.dataDir, 'redis.log'),
    ready: (signal) => until(() => accepts(options.port), signal),
    readyWithinMs: 20_000,
    stopWithinMs: 10_000,
  };
}

function configuration(options: RedisOptions): string {
  const { ca, cert, key } = options.tls;
  return [
    'port 0',
    `tls-port ${options.port}`,
    `bind ${options.host}`,
    `tls-ca-cert-file "${ca}"`,
    `tls-cert-file "${cert}"`,
    `tls-key-file "${key}"`,
    'tls-auth-clients optional',
    'tls-protocols "TLSv1.3"',
    `dir "${options.dataDir}"`,
    'save ""',
    'appendonly no',
    'maxmemory 1gb',
    'maxmemory-policy noeviction',
    'maxclients 20000',
    'proto-max-bulk-len 32mb',
    'user default off',
    `user ${options.control.username} on >${options.control.password} ~* &* +@all`,
    `user ${options.agents.username} on >${options.agents.password} ${AGENT_RIGHTS}`,
    '',
  ].join('\n');
}
