import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Below the range from which kernels take ports for outgoing connections, and beside what the product chooses from. */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 20_000;
const ATTEMPTS = 200;

/** Which process of tests a port was given to, one file a port: a server listens on it only later, and not all the time. */
const CLAIMS = join(tmpdir(), `hw-ports-${userInfo().uid}`);

/**
 * A TCP port of the loopback that nothing listens on, that no outgoing connection takes while its server is away, and
 * that no other call gets, in any process, as long as this process lives.
 */
export async function freePort(): Promise<number> {
  mkdirSync(CLAIMS, { recursive: true });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    if (claim(port) && (await isFree(port))) return port;
  }
  throw new Error(`no free port was found from ${LOWEST_PORT} to ${HIGHEST_PORT}`);
}

function claim(port: number): boolean {
  const file = join(CLAIMS, String(port));
  const owner = claimant(file);
  if (owner !== undefined) {
    if (existsSync(`/proc/${owner}`)) return false;
    rmSync(file, { force: true });
  }
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that claimed a port; empty while it writes that down, undefined where nobody did. */
function claimant(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
