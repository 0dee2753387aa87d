import { createServer } from 'node:net';

/** Below the range from which kernels take ports for outgoing connections, and beside what the product chooses from. */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 20_000;
const ATTEMPTS = 200;

/** Abstract: it is no file, ends with the process that listens on it, and is of the network namespace, as ports are. */
export const claimOf = (port: number): string => `\0hostward-port-${port}`;

/**
 * A TCP port of the loopback that nothing listens on, that no outgoing connection takes while its server is away, and
 * that no other call gets, in any process, as long as this process lives: a server listens on it only later, and not all
 * the time.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    if ((await claim(port)) && (await isFree(port))) return port;
  }
  throw new Error(`no free port was found from ${LOWEST_PORT} to ${HIGHEST_PORT}`);
}

function claim(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().unref();
    server.once('error', () => resolve(false));
    server.listen(claimOf(port), () => resolve(true));
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
