import { createServer } from 'node:net';

/** Below the range from which kernels take ports for outgoing connections, so that a port that was free stays so. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 200;

/** Each process goes up from a port of its own, and never back: those that start at once choose different ones. */
const APART = 16;
let next = process.pid * APART;

/** Why a port cannot be listened on (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, …); undefined where it can. */
export function portProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** A TCP port on loopback that nothing listens on at this moment. */
export async function freePort(): Promise<number> {
  for (let i = 0; i < ATTEMPTS; i++) {
    const port = LOWEST + (next % (HIGHEST - LOWEST));
    next += 1;
    if ((await portProblem('127.0.0.1', port)) === undefined) return port;
  }
  throw new Error(`no free port was found from ${LOWEST} to ${HIGHEST}`);
}
