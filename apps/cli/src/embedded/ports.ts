import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed } from '../errors.js';
import { freePort, portProblem } from './free-ports.js';

/** Ports of the embedded services. Hosts remember Redis's, so it is chosen once; etcd's are known to nobody else. */
export interface Ports {
  readonly etcdClient: number;
  readonly etcdPeer: number;
  readonly redis: number;
  readonly redisEvents: number;
}

/** The ports that were chosen for this data folder; throws where none were. */
export async function portsOf(dataDir: string): Promise<Ports> {
  return JSON.parse(await readFile(fileIn(dataDir), 'utf8')) as Ports;
}

/** Has the next `choosePorts` of this data folder take these for Redis: those that its hosts know. */
export async function rememberRedisPorts(
  dataDir: string,
  ports: Pick<Ports, 'redis' | 'redisEvents'>,
): Promise<void> {
  await writeFile(fileIn(dataDir), JSON.stringify(ports), { mode: 0o600 });
}

/** Chooses the ports of this data folder, those of before where they can be had; throws where that of Redis cannot. */
export async function choosePorts(dataDir: string, host: string): Promise<Ports> {
  const kept: Partial<Ports> | undefined = await portsOf(dataDir).catch(() => undefined);
  const ports = {
    etcdClient: await usable(kept?.etcdClient),
    etcdPeer: await usable(kept?.etcdPeer),
    redis: kept?.redis ?? (await freePort()),
    redisEvents: kept?.redisEvents ?? (await freePort()),
  };
  for (const port of [ports.redis, ports.redisEvents])
    await mustBeFree(host, port, 'of the embedded Redis, which its hosts know,');
  await writeFile(fileIn(dataDir), JSON.stringify(ports), { mode: 0o600 });
  return ports;
}

function fileIn(dataDir: string): string {
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
