import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { connect } from 'node:net';
import { createSecureContext, type ConnectionOptions, type SecureContext } from 'node:tls';
import { addressOf } from '../config/url-address.js';

const MAX_BODY_BYTES = 1024 * 1024;

/**
 * How the control plane is reached: only certificates under the CAs of the moment count; `identity` is the host's own.
 */
export interface ControlPlaneOptions {
  readonly url: string;
  /** PEM; of one or more. */
  readonly ca: () => string;
  readonly timeoutMs: number;
  readonly identity?: () => Promise<Identity | undefined>;
}

/** Status, body (at most 1 MiB) and the server's clock, ms since 1970, where it tells it. */
export interface ControlPlaneAnswer {
  readonly status: number;
  readonly body: string;
  readonly serverTime?: number;
  /** When to come again, where it said so. */
  readonly retryAfterMs?: number;
}

interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** What connections are made from as long as CA and identity stay the same, and the TLS session to go on with. */
interface Material {
  readonly digest: string;
  readonly secureContext: SecureContext;
  session?: Buffer;
}

/**
 * Requests over a connection of their own each: a connection that was open before a swap of policies says nothing
 * about whether a new one can be made after it (D11). It goes on with the TLS session of the one before, which
 * halves the CPU of both sides, as long as it would be judged by the same CA and shows the same certificate.
 */
export class ControlPlaneClient {
  #material: Material | undefined;

  constructor(private readonly options: ControlPlaneOptions) {}

  get(path: string): Promise<ControlPlaneAnswer> {
    return this.#send('GET', path);
  }

  postJson(path: string, body: unknown): Promise<ControlPlaneAnswer> {
    return this.#send('POST', path, JSON.stringify(body));
  }

  /** Makes a connection and gives it up, with what a request would be made from: it is read, and nothing is said. */
  async connect(): Promise<void> {
    const { url, ca, timeoutMs } = this.options;
    this.#materialOf(ca(), await this.options.identity?.());
    const signal = AbortSignal.timeout(timeoutMs);
    const socket = connect(addressOf(new URL(url)));
    try {
      await once(socket, 'connect', { signal });
      // An orderly end would be something to accept, and to answer.
      socket.resetAndDestroy();
    } catch (cause) {
      socket.on('error', () => undefined).destroy();
      throw signal.aborted ? new Error(`no connection within ${timeoutMs} ms`, { cause }) : cause;
    }
  }

  async #send(method: string, path: string, body?: string): Promise<ControlPlaneAnswer> {
    const { url, ca, timeoutMs } = this.options;
    const headers =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const material = this.#materialOf(ca(), await this.options.identity?.());
    const { secureContext, session } = material;
    const signal = AbortSignal.timeout(timeoutMs);
    const options: RequestOptions & ConnectionOptions = {
      ...{ method, headers, signal, secureContext },
      ...(session && { session }),
      agent: false,
    };
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void =>
        reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause }) : cause);
      let ticket = session;
      const outgoing = request(new URL(path, url), options, (answer) => {
        // Not before there is an answer: then the other side was found to be the control plane.
        if (ticket) material.session = ticket;
        void readAnswer(answer).then(resolve, fail);
      });
      outgoing.once('socket', (socket) => socket.on('session', (next: Buffer) => (ticket = next)));
      outgoing.once('error', fail);
      outgoing.end(body);
    });
  }

  #materialOf(ca: string, identity: Identity | undefined): Material {
    const { cert, key } = identity ?? {};
    const digest = createHash('sha256')
      .update(JSON.stringify([ca, cert, key]))
      .digest('hex');
    if (this.#material?.digest !== digest)
      this.#material = { digest, secureContext: createSecureContext({ ca, cert, key }) };
    return this.#material;
  }
}

async function readAnswer(answer: IncomingMessage): Promise<ControlPlaneAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new Error(`the answer is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const serverTime = Date.parse(answer.headers.date ?? '');
  return {
    status: answer.statusCode ?? 0,
    body: Buffer.concat(chunks).toString('utf8'),
    ...(Number.isNaN(serverTime) ? {} : { serverTime }),
    ...retryAfter(answer.headers['retry-after']),
  };
}

/** In whole seconds: that is how ours say it. */
function retryAfter(header: string | undefined): Pick<ControlPlaneAnswer, 'retryAfterMs'> {
  return header !== undefined && /^[0-9]{1,5}$/.test(header)
    ? { retryAfterMs: Number(header) * 1_000 }
    : {};
}
