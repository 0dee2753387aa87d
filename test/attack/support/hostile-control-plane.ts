import { readFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { issueServer, type KeyAndCertificate } from '#pki';
import type { Product } from '../../e2e/support/product.js';

/** What it answers by itself, by method and path; what is not here goes on to the true one, or is 404 where there is none. */
export type Answers = Readonly<Record<string, unknown>>;

/** Where the true one is. */
interface Behind {
  readonly url: string;
  readonly ca: Buffer;
}

/** A server that its owner has hosts talk to, by a certificate of an authority that he has. */
export class HostileControlPlane {
  answers: Answers = {};
  /** Method and path of what it was asked. */
  readonly asked: string[] = [];

  private constructor(
    private readonly server: Server,
    private readonly behind: Behind | undefined,
  ) {}

  /** `behind`: what it does not answer it passes on to. */
  static async start(authority: KeyAndCertificate, behind?: Product): Promise<HostileControlPlane> {
    const leaf = await issueServer({ authority, names: ['localhost'], ips: ['127.0.0.1'] });
    const cert = leaf.certificatePem + authority.certificatePem;
    const server = createServer({ key: leaf.privateKeyPem, cert });
    const self = new HostileControlPlane(server, behind && (await wayTo(behind)));
    server.on('request', (asked, response) => void self.#answer(asked, response));
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  async #answer(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const what = `${asked.method ?? ''} ${asked.url ?? ''}`;
    this.asked.push(what);
    const own = this.answers[what];
    const json = { 'content-type': 'application/json' };
    if (own !== undefined) response.writeHead(200, json).end(JSON.stringify(own));
    else if (this.behind === undefined) response.writeHead(404, json).end('{}');
    else await this.#passOn(asked, response, this.behind);
  }

  async #passOn(asked: IncomingMessage, response: ServerResponse, to: Behind): Promise<void> {
    const body = await buffer(asked);
    const { url, ca } = to;
    const { method, url: path, headers } = asked;
    const options = { method, headers, ca, agent: false };
    const outgoing = request(new URL(path ?? '/', url), options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.once('error', () => response.writeHead(502).end());
    outgoing.end(body);
  }
}

async function wayTo(product: Product): Promise<Behind> {
  const ca = await readFile(join(product.dataDir, 'control-plane', 'pki', 'ca.pem'));
  return { url: (await product.record()).url, ca };
}
