import { createServer, type Server } from 'node:https';
import { text } from 'node:stream/consumers';
import { generateSigningKey, loadSigner, signRoot, verifyEnrollment } from '#bundle';
import type { EnrollRequest } from '#contracts';
import { createAuthority, fingerprint, issueClient, issueServer } from '#pki';

/** A control plane that knows one route; `answers` decides the status of each attempt. */
export class EnrollmentDouble {
  readonly received: EnrollRequest[] = [];
  answers: number[] = [];
  /** Set: who is refused is told to come again after so many seconds. */
  retryAfter: number | undefined;
  bytes = 0;
  redisPort = 6379;
  /** Set: another Redis takes events. */
  redisEventsPort: number | undefined;
  readonly #rootKey = generateSigningKey();

  private constructor(
    private readonly server: Server,
    private readonly authority: Awaited<ReturnType<typeof createAuthority>>,
  ) {}

  static async start(chainWithCa = true): Promise<EnrollmentDouble> {
    const authority = await createAuthority({ name: 'test', days: 1 });
    const leaf = await issueServer({ authority, names: ['localhost'], ips: ['127.0.0.1'] });
    const chain = chainWithCa
      ? leaf.certificatePem + authority.certificatePem
      : leaf.certificatePem;
    const server = createServer({ key: leaf.privateKeyPem, cert: chain });
    const self = new EnrollmentDouble(server, authority);
    server.on('secureConnection', (socket) =>
      socket.on('data', (chunk) => (self.bytes += chunk.length)),
    );
    server.on('request', (request, response) => {
      if (request.url !== '/v1/enroll') {
        response.writeHead(404).end('{}');
        return;
      }
      void self.answer(request).then(({ status, body }) => {
        const { retryAfter } = self;
        const told = status !== 200 && retryAfter !== undefined;
        response.writeHead(status, told ? { 'retry-after': String(retryAfter) } : {});
        response.end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get url(): string {
    const address = this.server.address();
    return `https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  get fingerprint(): string {
    return fingerprint(this.authority.certificatePem);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async answer(
    request: Parameters<typeof text>[0],
  ): Promise<{ status: number; body: unknown }> {
    const body = JSON.parse(await text(request)) as EnrollRequest;
    this.received.push(body);
    const status = this.answers.shift() ?? 200;
    if (status !== 200)
      return { status, body: { title: 'Not enrolled', detail: 'the token is used up' } };
    const nodeId = verifyEnrollment(body);
    const certificate = await issueClient({ authority: this.authority, csrPem: body.csr, nodeId });
    const events =
      this.redisEventsPort === undefined ? {} : { events: { port: this.redisEventsPort } };
    const redis = { port: this.redisPort, username: `node-${nodeId}`, ...events };
    return {
      status,
      body: {
        nodeId,
        name: body.name,
        certificate,
        ca: this.authority.certificatePem,
        redis,
        root: this.root(),
      },
    };
  }

  private root(): unknown {
    const { keyid, key, privateKey } = this.#rootKey;
    const keys = [{ keyid, key }];
    const document = {
      v: 1,
      version: 1,
      epoch: '1',
      expiresAt: Date.now() + 86_400_000,
      mode: 'managed',
      root: { threshold: 1, keys },
      authors: [],
      online: keys,
    } as const;
    return signRoot(document, [loadSigner(privateKey)]);
  }
}
