import { closeSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Numbers of calls, the same on every architecture (asm-generic/unistd.h), and of socket options (linux/tcp.h). */
const [PIDFD_OPEN, PIDFD_GETFD] = [434n, 438n];
const [IPPROTO_TCP, TCP_DEFER_ACCEPT] = [6, 9];
/** State of a socket in /proc/net/tcp. */
const LISTEN = '0A';
/** How long the kernel keeps a connection that says nothing; then it lets it in after all, or drops it. */
const SILENT_S = 10;
const LISTENS_WITHIN_MS = 20_000;
const PAUSE_MS = 50;

/**
 * Has the kernel keep each connection to this port from the program, a child of ours, until its first bytes are there.
 *
 * Redis takes one TLS connection a round of its loop (`max-new-tls-connections-per-cycle`), but those that it has taken
 * shake hands whenever they have said hello: of a flood fifty and more in one round, and everybody waits for all of
 * them. So each comes to Redis together with its hello, one a round. Rejects where it cannot be done.
 */
export async function deferAccept(pid: number, port: number): Promise<void> {
  const deadline = performance.now() + LISTENS_WITHIN_MS;
  let descriptors = await listeningDescriptors(pid, port);
  while (descriptors.length === 0) {
    if (performance.now() > deadline)
      throw new Error(`nothing of process ${pid} listens on ${port}`);
    await delay(PAUSE_MS);
    descriptors = await listeningDescriptors(pid, port);
  }
  for (const descriptor of descriptors) await setOption(pid, descriptor);
}

async function listeningDescriptors(pid: number, port: number): Promise<readonly number[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => tableOf(pid, name)));
  const names = new Set(tables.flatMap((table) => listenersOf(table, port)));
  const descriptors = await readdir(`/proc/${pid}/fd`);
  // One that was closed meanwhile is none of them.
  const links = await Promise.all(
    descriptors.map((each) => readlink(`/proc/${pid}/fd/${each}`).catch(() => '')),
  );
  return descriptors.filter((_, index) => names.has(links[index] ?? '')).map(Number);
}

/** A kernel without IPv6 has no table of it. */
function tableOf(pid: number, name: string): Promise<string> {
  return readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '');
}

/** As their descriptors link to them. */
function listenersOf(table: string, port: number): readonly string[] {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  return rows
    .filter(([, local, , state]) => state === LISTEN && portOf(local) === port)
    .map((row) => `socket:[${row[9]}]`);
}

function portOf(address: string | undefined): number {
  return Number.parseInt(address?.split(':')[1] ?? '', 16);
}

async function setOption(pid: number, descriptor: number): Promise<void> {
  // A Node that was built without it must not keep the whole program from its start.
  const { dlopen } = await import('node:ffi');
  const { lib, functions: libc } = dlopen(null, {
    syscall: { return: 'int64', arguments: ['int64', 'int64', 'int64', 'int64'] },
    setsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'buffer', 'uint32'] },
  });
  const opened: number[] = [];
  const taken = (call: bigint, ...args: readonly [bigint, bigint]): bigint => {
    const answer = libc.syscall(call, ...args, 0n);
    if (answer < 0n) throw new Error(`the kernel does not let us have a socket of process ${pid}`);
    opened.push(Number(answer));
    return answer;
  };
  try {
    const socket = taken(PIDFD_GETFD, taken(PIDFD_OPEN, BigInt(pid), 0n), BigInt(descriptor));
    const value = Buffer.from(Int32Array.of(SILENT_S).buffer);
    if (libc.setsockopt(Number(socket), IPPROTO_TCP, TCP_DEFER_ACCEPT, value, value.length) !== 0)
      throw new Error('the kernel has no TCP_DEFER_ACCEPT');
  } finally {
    for (const each of opened) closeSync(each);
    lib.close();
  }
}
