import { readFile, readdir, readlink } from 'node:fs/promises';

const STATE_LISTEN = '0A';

/** TCP ports on which one of these processes or their children listens, with its pid. */
export async function listenersOf(pids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const ports = await listeningInodes();
  const found = new Map<number, number>();
  for (const pid of await withChildren(pids)) {
    for (const inode of await socketsOf(pid)) {
      const port = ports.get(inode);
      if (port !== undefined) found.set(port, pid);
    }
  }
  return found;
}

/** These processes and all that they started, as far as they live. */
export async function withChildren(pids: readonly number[]): Promise<readonly number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    parents.set(Number(name), Number(parent));
  }
  const family = new Set(pids);
  for (let before = -1; before !== family.size;) {
    before = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

/** Inode of each listening TCP socket of this machine, with its port. */
async function listeningInodes(): Promise<ReadonlyMap<string, number>> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  const inodes = new Map<string, number>();
  for (const line of tables.flatMap((table) => table.split('\n').slice(1))) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === STATE_LISTEN && inode !== undefined)
      inodes.set(inode, Number.parseInt(local.split(':')[1] ?? '', 16));
  }
  return inodes;
}

async function socketsOf(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(
    descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  return targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
}
