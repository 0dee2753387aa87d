import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureVersion } from 'node:tls';

const HOST = '127.0.0.1';

/** What a peer says to these bytes until it closes, or until `waitMs` of silence. */
export function sayInClear(port: number, bytes: Uint8Array, waitMs: number): Promise<Buffer> {
  return collect(connect(port, HOST), bytes, waitMs);
}

/** The same, inside TLS. */
export function sayInTls(port: number, text: string, waitMs: number): Promise<Buffer> {
  return collect(connectTls({ port, host: HOST, rejectUnauthorized: false }), text, waitMs);
}

function collect(socket: Socket, words: Uint8Array | string, waitMs: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.setTimeout(waitMs, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(Buffer.concat(chunks)));
    socket.write(words);
  });
}

/** The TLS version that a port agrees on with a client of at most `maxVersion`, or why it does not. */
export function handshake(port: number, maxVersion: SecureVersion): Promise<string> {
  return new Promise((resolve) => {
    const options = { port, host: HOST, rejectUnauthorized: false, maxVersion };
    const socket = connectTls({ ...options, minVersion: 'TLSv1.2' });
    socket.once('secureConnect', () => {
      resolve(socket.getProtocol() ?? 'none');
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'refused'));
  });
}

/** A connection that sends its bytes as an attacker who has time: one every `everyMs`, until it is cut. */
export class Drip {
  readonly startedAt = Date.now();
  /** Resolves with how long it was borne, in ms, and what was said to it last. */
  readonly cut: Promise<{ afterMs: number; answer: string }>;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;

  constructor(port: number, head: string, everyMs: number) {
    this.#socket = connectTls({ port, host: HOST, rejectUnauthorized: false });
    let answer = '';
    this.#socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    this.#socket.on('error', () => undefined);
    this.#socket.write(head);
    this.#timer = setInterval(() => this.#socket.write('x'), everyMs);
    this.cut = new Promise((resolve) => {
      this.#socket.once('close', () => {
        clearInterval(this.#timer);
        resolve({ afterMs: Date.now() - this.startedAt, answer });
      });
    });
  }

  end(): void {
    this.#socket.destroy();
  }
}
