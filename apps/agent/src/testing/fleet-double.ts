import { createServer, type Server } from 'node:https';
import {
  buildCommit,
  followRoots,
  generateChannelKey,
  generateSigningKey,
  loadSigner,
  openEvents,
  openReport,
  rootBinding,
  sealBundle,
  sealCursor,
  sealChannelKey,
  signAuditLogHead,
  signPace,
  signPolicy,
  signRedirect,
  signRoot,
  trustRoot,
  type BundlePolicy,
  type ControlPlaneAddress,
  type SigningKey,
} from '#bundle';
import {
  redisKeys,
  type Alert,
  type AlertBatch,
  type DeliveryRecord,
  type NodeReport,
} from '#contracts';
import { createAuthority, issueServer } from '#pki';
import { DeliveryWriter, type RedisConnection } from '#redis';

/** Policies as `name: content`; the content is not validated here. */
export type DoublePolicies = Readonly<Record<string, unknown>>;

/**
 * The control plane's side of one host, for the agent's tests: signs and writes assignments with the real libraries,
 * opens what comes back, acknowledges events. Deleting what it wrote is the test's business.
 */
export class FleetDouble {
  readonly channelKey = generateChannelKey();
  #online = generateSigningKey();
  readonly #rootKey = generateSigningKey();
  readonly #secret = generateChannelKey();
  root = trustRoot(rootDocument(this.#rootKey, this.#online));
  readonly seen = new Map<string, Alert>();
  #cursor = '0-0';
  #sealed: Promise<string> | undefined;

  constructor(
    private readonly redis: RedisConnection,
    private readonly nodeId: string,
    private readonly sealingKey: string,
  ) {}

  /** Signs an assignment of these policies; `generation` orders it. */
  async assign(
    generation: string,
    policies: DoublePolicies = {},
  ): Promise<{ record: DeliveryRecord; digest: string; bundle: Buffer }> {
    const signer = loadSigner(this.#online.privateKey);
    const { digest, ciphertext, dataKey } = sealBundle(
      signAll(policies, this.#online),
      this.#secret,
    );
    const assignmentVersion = { epoch: '1', generation, issuedAt: Date.now() };
    const { channelKey, sealingKey, nodeId } = this;
    // Once for an epoch, as the control plane does.
    const sealedChannelKey = await (this.#sealed ??= sealChannelKey(channelKey, {
      ...{ sealingKey, nodeId },
      epoch: '1',
    }));
    const own = {
      nodeId,
      expiresAt: Date.now() + 3_600_000,
      reportEpoch: 1,
      bundleDigest: digest,
      dataKey,
    };
    const { records } = buildCommit({
      assignmentVersion,
      root: this.root,
      signer,
      assignments: [{ ...own, channelKey, sealedChannelKey }],
    });
    const record = records.get(this.nodeId);
    if (record === undefined) throw new Error('the commit has no record of the host');
    return { record, digest, bundle: ciphertext };
  }

  /** Writes bundle and assignment and nudges, as the control plane does. */
  async deliver(generation: string, policies: DoublePolicies = {}): Promise<void> {
    const { record, digest, bundle } = await this.assign(generation, policies);
    const writer = new DeliveryWriter(this.redis);
    await writer.putBundle(digest, bundle);
    await writer.writeMany([{ nodeId: this.nodeId, record, bundle }]);
  }

  /** From now on another key signs, by the next root document of the same epoch. */
  rotateOnlineKey(): void {
    this.#online = generateSigningKey();
    const version = this.root.document.version + 1;
    this.root = followRoots(this.root, [rootDocument(this.#rootKey, this.#online, version)]);
  }

  /** Orders how often to report, as the control plane does beside a head of its audit log. */
  async orderPace(reportEveryMs: number, at: number): Promise<void> {
    const signer = loadSigner(this.#online.privateKey);
    const auditLog = signAuditLogHead({ v: 1, seq: 1, hash: 'a'.repeat(64), at }, signer);
    const pace = signPace({ v: 1, at, reportEveryMs }, signer);
    const message = JSON.stringify({ pattern: redisKeys.check, data: { auditLog, pace } });
    await this.redis.run('test', (client) => client.publish(redisKeys.check, message));
  }

  /** Signs, by the root key, that all hosts are to go elsewhere from now on. */
  orderRedirect(to: ControlPlaneAddress): unknown {
    const issuedAt = Date.now();
    const times = { issuedAt, notBefore: issuedAt, expiresAt: issuedAt + 3_600_000 };
    const root = rootBinding(this.root);
    const document = { v: 1, ...times, root, target: { all: true }, reason: 'a test', to } as const;
    return signRedirect(document, [loadSigner(this.#rootKey.privateKey)]);
  }

  /** The host's state as it lies in Redis now. */
  async report(): Promise<NodeReport | undefined> {
    const sealed = await this.redis.run('test', (client) =>
      client.getBuffer(redisKeys.state(this.nodeId)),
    );
    if (sealed === null) return undefined;
    return JSON.parse(
      openReport(this.channelKey, this.nodeId, sealed).toString('utf8'),
    ) as NodeReport;
  }

  /** Takes every batch in the stream into `seen` (de-duplicated), and moves the cursor to the last one stored. */
  async storeEvents(acknowledge = true): Promise<void> {
    const entries = await this.redis.run('test', (client) =>
      client.xrangeBuffer(redisKeys.events(this.nodeId), '-', '+'),
    );
    for (const [, fields] of entries) this.#store(fields[1] ?? Buffer.alloc(0));
    if (!acknowledge || this.#cursor === '0-0') return;
    const bytes = Buffer.from(JSON.stringify({ v: 1, last: this.#cursor }));
    const sealed = sealCursor(this.channelKey, this.nodeId, bytes);
    await this.redis.run('test', (client) => client.set(redisKeys.cursor(this.nodeId), sealed));
  }

  #store(sealed: Buffer): void {
    const batch = JSON.parse(
      openEvents(this.channelKey, this.nodeId, sealed).toString('utf8'),
    ) as AlertBatch;
    for (const alert of batch.alerts) this.seen.set(alert.EventID, alert);
    if (batch.last > this.#cursor) this.#cursor = batch.last;
  }
}

/** An HTTPS server with one answer, as to /healthz, under an authority of its own; `ca` is what an agent pins. */
export class HealthDouble {
  /** Requests answered. */
  answered = 0;
  status = 200;
  /** What each of them is answered with. */
  answer: object = {};

  private constructor(
    private readonly server: Server,
    readonly tls: { readonly ca: string; readonly cert: string; readonly key: string },
  ) {}

  static async start(): Promise<HealthDouble> {
    const authority = await createAuthority({ name: 'test', days: 1 });
    const leaf = await issueServer({
      authority,
      names: ['localhost'],
      ips: ['127.0.0.1'],
      alsoClient: true,
    });
    const tls = {
      ca: authority.certificatePem,
      cert: leaf.certificatePem,
      key: leaf.privateKeyPem,
    };
    const server = createServer({ key: tls.key, cert: tls.cert + tls.ca });
    const self = new HealthDouble(server, tls);
    server.on('request', (_request, response) => {
      self.answered += 1;
      response.writeHead(self.status).end(JSON.stringify(self.answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

function rootDocument(rootKey: SigningKey, online: SigningKey, version = 1) {
  const publicPart = ({ keyid, key }: SigningKey) => ({ keyid, key });
  const document = {
    v: 1,
    version,
    epoch: '1',
    expiresAt: Date.now() + 86_400_000,
    mode: 'managed',
    root: { threshold: 1, keys: [publicPart(rootKey)] },
    authors: [],
    online: [publicPart(online)],
  } as const;
  return signRoot(document, [loadSigner(rootKey.privateKey)]);
}

function signAll(policies: DoublePolicies, online: SigningKey): Map<string, BundlePolicy> {
  const signer = loadSigner(online.privateKey);
  const entries = Object.entries(policies).map(([name, content]): [string, BundlePolicy] => [
    name,
    { envelope: signPolicy({ v: 1, name, version: 1, content }, signer), revision: '7' },
  ]);
  return new Map(entries);
}
