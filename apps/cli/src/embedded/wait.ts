import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

const PAUSE_MS = 50;
const ANSWER_WITHIN_MS = 1_000;

/** Tries until `attempt` succeeds or the signal aborts; then the last error is thrown. */
export async function until(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await delay(PAUSE_MS);
  }
}

/** Resolves when a TCP connection is accepted. */
export function accepts(port: number, host = '127.0.0.1'): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 1_000 });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(new Error(`port ${port} does not answer`)));
    socket.once('error', reject);
  });
}

/**
 * Resolves when a TLS handshake is done, each side known to the other. The kernel accepts TCP connections as soon as a
 * program listens, which etcd does before it has read its data; only a program that serves shakes hands.
 */
export function shakesHands(
  port: number,
  files: { readonly ca: string; readonly cert: string; readonly key: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const [ca, cert, key] = [files.ca, files.cert, files.key].map((path) => readFileSync(path));
    const socket = connectTls({ host: '127.0.0.1', port, ca, cert, key });
    socket.setTimeout(ANSWER_WITHIN_MS, () => {
      socket.destroy(new Error(`port ${port} does not answer`));
    });
    socket.once('secureConnect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
