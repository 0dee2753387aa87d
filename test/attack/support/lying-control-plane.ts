import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createAuthority, issueServer } from '#pki';
import { Rest } from '../../../apps/control-plane/src/testing/rest.js';
import type { Product } from '../../e2e/support/product.js';

/** What is answered in the place of the truth; undefined: the truth. */
export type Lie = (path: string, truth: unknown) => unknown;

/**
 * A control plane whose owner answers operators what he likes: it stands before the true one, and `lie` changes what
 * that one says. Its certificate is in order, as that of a compromised control plane is.
 */
export class LyingControlPlane {
  lie: Lie = () => undefined;

  private constructor(
    private readonly server: Server,
    private readonly product: Product,
    private readonly caFile: string,
  ) {}

  static async before(product: Product): Promise<LyingControlPlane> {
    const authority = await createAuthority({ name: 'lies', days: 1 });
    const leaf = await issueServer({ authority, names: ['localhost'], ips: ['127.0.0.1'] });
    const caFile = join(product.dataDir, 'lying-ca.pem');
    await writeFile(caFile, authority.certificatePem);
    const cert = leaf.certificatePem + authority.certificatePem;
    const server = createServer({ key: leaf.privateKeyPem, cert });
    const self = new LyingControlPlane(server, product, caFile);
    server.on('request', (request, response) => void self.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  /** Environment in which the CLI talks to it. */
  async env(): Promise<Record<string, string>> {
    const address = this.server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { token } = await this.product.context();
    return {
      HOSTWARD_URL: `https://127.0.0.1:${port}`,
      HOSTWARD_TOKEN: token,
      HOSTWARD_CA: this.caFile,
    };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  async #answer({ url: path = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url, ca, token } = await this.product.context();
    const answer = await new Rest(url, ca, token).get(path);
    const lie = this.lie(path, JSON.parse(answer.text));
    const body = lie === undefined ? answer.text : JSON.stringify(lie);
    const status = lie === undefined ? answer.status : 200;
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }
}
