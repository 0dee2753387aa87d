import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-ports.js';

/** Loopback ports of the embedded services; chosen once and kept, since hosts remember Redis's. */
export interface Ports {
  readonly etcdClient: number;
  readonly etcdPeer: number;
  readonly redis: number;
}

export async function portsOf(dataDir: string): Promise<Ports> {
  const file = join(dataDir, 'ports.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text !== undefined) return JSON.parse(text) as Ports;
  const ports = {
    etcdClient: await freePort(),
    etcdPeer: await freePort(),
    redis: await freePort(),
  };
  await writeFile(file, JSON.stringify(ports), { mode: 0o600 });
  return ports;
}
