import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed } from '../output/errors.js';
import { freePort, portProblem } from './free-ports.js';

/** Ports of the embedded services. Hosts remember Redis's, so it is chosen once; etcd's are known to nobody else. */
export interface Ports {
  readonly etcdClient: number;
  readonly etcdPeer: number;
  readonly redis: number;
  readonly redisEvents: number;
}

/** What is kept of them: after a restore those of Redis alone. */
export type KeptPorts = Pick<Ports, 'redis'> & Partial<Ports>;

/** The ports that were chosen for this data folder; throws where none were. */
export async function portsOf(dataDir: string): Promise<Ports> {
  const kept = await keptPorts(dataDir);
  if (kept === undefined) throw new CommandFailed(`${portsFile(dataDir)} is not there`);
  return kept as Ports;
}

/**
 * Those that the next `up` takes; undefined where none were chosen yet. Throws where that cannot be told: with other ports
 * for Redis than before no host would find it.
 */
export async function keptPorts(dataDir: string): Promise<KeptPorts | undefined> {
  const file = portsFile(dataDir);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CommandFailed(`cannot read ${file}: ${error.message}`);
  });
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text) as Partial<Ports>;
    if (isPort(kept.redis) && isPort(kept.redisEvents ?? kept.redis)) return kept as KeptPorts;
  } catch {
    // Told below.
  }
  throw new CommandFailed(
    `${file} does not hold the ports that were chosen for Redis, which hosts know`,
    'write {"redis":PORT,"redisEvents":PORT} there: control-plane/control-plane.yaml beside it names ' +
      'both, under redis.port and redis.events.port',
  );
}

/** Has the next `choosePorts` of this data folder take these for Redis: those that its hosts know. */
export async function rememberRedisPorts(dataDir: string, ports: KeptPorts): Promise<void> {
  const file = portsFile(dataDir);
  // Not in place: on a full disk, or at a crash, nothing would be left of those of before.
  await writeFile(`${file}.new`, JSON.stringify(ports), { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}

/** Chooses the ports of this data folder, those of before where they can be had; throws where that of Redis cannot. */
export async function choosePorts(dataDir: string, host: string): Promise<Ports> {
  const kept = await keptPorts(dataDir);
  const ports = {
    etcdClient: await usable(kept?.etcdClient),
    etcdPeer: await usable(kept?.etcdPeer),
    redis: kept?.redis ?? (await freePort()),
    redisEvents: kept?.redisEvents ?? (await freePort()),
  };
  for (const port of [ports.redis, ports.redisEvents])
    await mustBeFree(host, port, 'of the embedded Redis, which its hosts know,');
  await rememberRedisPorts(dataDir, ports);
  return ports;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}

/** Where they are kept; a restore writes those of Redis there. */
export function portsFile(dataDir: string): string {
  return join(dataDir, 'ports.json');
}

/** Throws an error with the remedy unless a port can be listened on. */
export async function mustBeFree(host: string, port: number, what: string): Promise<void> {
  const problem = await portProblem(host, port);
  if (problem === undefined) return;
  if (problem === 'EADDRINUSE')
    throw new CommandFailed(
      `the address ${host}:${port} ${what} is taken by another program`,
      `\`ss -ltnp 'sport = :${port}'\` shows which; end it, or choose another address`,
    );
  const why = problem === 'EADDRNOTAVAIL' ? 'this machine has no such address' : problem;
  throw new CommandFailed(`cannot listen on ${host}:${port} ${what}: ${why}`, 'choose another one');
}

async function usable(port: number | undefined): Promise<number> {
  const taken = port === undefined || (await portProblem('127.0.0.1', port)) !== undefined;
  return taken ? freePort() : port;
}
