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

/** A socket on which a process listens. */
interface Listener {
  readonly descriptor: number;
  readonly port: number;
}

/**
 * Has the kernel keep each TCP connection from this process, a Redis, until its first bytes are there, on whatever
 * ports it listens, once it does; resolves with those. It must be a child of ours or of our user, or we have
 * CAP_SYS_PTRACE, as Yama wills. Rejects where it cannot be done, and where nothing listens within 20 s.
 *
 * Redis takes one TLS connection a round of its loop (`max-new-tls-connections-per-cycle`), but those that it has taken
 * shake hands whenever they have said hello: of a flood fifty and more in one round, and everybody waits for all of
 * them. So each comes to Redis together with its hello, one a round.
 */
export async function deferAccept(pid: number): Promise<readonly number[]> {
  const listeners = await settledListeners(pid);
  for (const { descriptor } of listeners) await setOption(pid, descriptor);
  return [...new Set(listeners.map(({ port }) => port))].toSorted((a, b) => a - b);
}

/** A process takes one address after another: those that two looks in turn find are all. */
async function settledListeners(pid: number): Promise<readonly Listener[]> {
  const deadline = performance.now() + LISTENS_WITHIN_MS;
  let before: readonly Listener[] = [];
  let now = await listenersOf(pid);
  while (now.length === 0 || now.length !== before.length) {
    if (performance.now() > deadline) throw new Error(`process ${pid} listens on no port of TCP`);
    await delay(PAUSE_MS);
    before = now;
    now = await listenersOf(pid);
  }
  return now;
}

async function listenersOf(pid: number): Promise<readonly Listener[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => tableOf(pid, name)));
  const ports = new Map(tables.flatMap(listeningPorts));
  const descriptors = await readdir(`/proc/${pid}/fd`);
  // One that was closed meanwhile is none of them.
  const links = await Promise.all(
    descriptors.map((each) => readlink(`/proc/${pid}/fd/${each}`).catch(() => '')),
  );
  return descriptors.flatMap((descriptor, index) => {
    const port = ports.get(links[index] ?? '');
    return port === undefined ? [] : [{ descriptor: Number(descriptor), port }];
  });
}

/** A kernel without IPv6 has no table of it. */
function tableOf(pid: number, name: string): Promise<string> {
  return readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '');
}

/** By sockets, named as their descriptors link to them. */
function listeningPorts(table: string): readonly (readonly [string, number])[] {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  return rows
    .filter(([, , , state]) => state === LISTEN)
    .map((row) => [`socket:[${row[9]}]`, Number.parseInt(row[1]?.split(':')[1] ?? '', 16)]);
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
