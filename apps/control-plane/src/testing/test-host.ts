import { createHash, randomBytes } from 'node:crypto';
import {
  generateSealingKey,
  generateSigningKey,
  auditLogHeadName,
  loadSigner,
  openCursor,
  sealEvents,
  sealReport,
  sealSignedStatus,
  signEnrollment,
  signStatus,
  trustRoot,
  verifyDelivery,
  type HostSignedStatus,
  type SignedDocument,
  type VerifiedDelivery,
} from '#bundle';
import type {
  AgentRun,
  AlertBatch,
  EnrollRequest,
  EnrollResponse,
  NodeReport,
  RuleState,
} from '#contracts';
import { createCsr } from '#pki';
import { rulesOf, validateDocument } from '#policy-model';
import { HostLink, nodeUserName, type RedisConnection } from '#redis';
import { eventually } from './eventually.js';
import type { Answer, Rest } from './rest.js';

/** A host of tests: enrols, verifies what is delivered as a real one does, and reports what it is told to. */
export class TestHost {
  readonly #signing: ReturnType<typeof generateSigningKey>;
  readonly #sealing: ReturnType<typeof generateSealingKey>;
  readonly nodeId: string;
  /** Of the newest request. */
  #tlsKey = '';
  #tlsIdentity = { cert: '', key: '' };
  #redisSecret = randomBytes(32).toString('base64url');
  #enrolled: EnrollResponse | undefined;
  /** Whether it does not ring for its reports. */
  isQuiet = false;
  #link: HostLink | undefined;
  #sequence = 0;
  #bootedAt = new Date().toISOString();
  last: VerifiedDelivery | undefined;

  constructor(
    readonly name: string,
    private readonly rest: Rest,
    of?: TestHost,
  ) {
    this.#signing = of ? of.#signing : generateSigningKey();
    this.#sealing = of ? of.#sealing : generateSealingKey();
    this.nodeId = this.#signing.keyid;
    if (!of) return;
    this.#redisSecret = of.#redisSecret;
    this.#enrolled = of.#enrolled;
    this.#tlsIdentity = of.#tlsIdentity;
  }

  /** A machine with a copy of this one's disk, whose agent starts now; attach it to a connection of its own. */
  twin(): TestHost {
    return new TestHost(this.name, this.rest, this);
  }

  /** A signed request, about another CSR if one is given; `over` replaces fields after signing. */
  async request(
    token: string,
    over: Partial<EnrollRequest> = {},
    otherCsr?: string,
  ): Promise<EnrollRequest> {
    const { csrPem, privateKeyPem } = await createCsr();
    const csr = otherCsr ?? csrPem;
    this.#tlsKey = privateKeyPem;
    const redisSecretHash = createHash('sha256').update(this.#redisSecret).digest('hex');
    const { sealingKey } = this.#sealing;
    const signed = { name: this.name, sealingKey, redisSecretHash, csr };
    const signature = signEnrollment(signed, loadSigner(this.#signing.privateKey));
    return {
      token,
      hostname: this.name,
      signingKey: this.#signing.key,
      signature,
      ...signed,
      ...over,
    };
  }

  async enroll(token: string): Promise<Answer> {
    const answer = await this.rest.post('/v1/enroll', await this.request(token), { token: null });
    if (answer.status !== 200) return answer;
    const enrolled = answer.body as unknown as EnrollResponse;
    this.#enrolled = enrolled;
    this.#tlsIdentity = { cert: enrolled.certificate, key: this.#tlsKey };
    return answer;
  }

  /** As `enroll`, asked again as agents do where etcd did not answer in time: on a busy machine nobody knows then whether it wrote. */
  async enrollAtLast(token: string): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.enroll(token);
      if (answer.status !== 503 || tries === 20) return answer;
    }
  }

  /** What enrolment leaves for the programs of a real host. */
  get identity() {
    const { privateKey: sealingPrivateKey } = this.#sealing;
    return { nodeId: this.nodeId, sealingPrivateKey, root: this.#enrolled?.root };
  }

  /** What it shows on HTTPS as a client. */
  get tlsIdentity(): { readonly cert: string; readonly key: string } {
    return this.#tlsIdentity;
  }

  /** How it logs in to Redis, with the secret of the moment. */
  get redisLogin(): { readonly username: string; readonly password: () => string } {
    return { username: nodeUserName(this.nodeId), password: () => this.#redisSecret };
  }

  /** This run of its agent, as of its newest report. */
  get run(): AgentRun {
    return { bootedAt: this.#bootedAt, sequence: this.#sequence };
  }

  /** Makes another secret for Redis; the next `enroll` tells of it. */
  changeRedisSecret(): void {
    this.#redisSecret = randomBytes(32).toString('base64url');
  }

  attach(connection: RedisConnection, events = connection): void {
    this.#link = new HostLink(connection, this.nodeId, events);
  }

  get link(): HostLink {
    if (!this.#link) throw new Error('attach the host first');
    return this.#link;
  }

  /** Fetches and verifies what is there now, by what it took before; undefined where there is nothing. */
  async fetch(): Promise<VerifiedDelivery | undefined> {
    const record = await this.link.fetchRecord();
    const bundle = record && (await this.link.fetchBundle(record.bundleDigest));
    if (!record || !bundle) return undefined;
    this.last = await verifyDelivery({
      record,
      bundle,
      trustedRoot: trustRoot(this.#enrolled?.root),
      nodeId: this.nodeId,
      sealingPrivateKey: this.#sealing.privateKey,
      now: Date.now(),
      minimumVersions: this.last?.minimumVersions,
    });
    return this.last;
  }

  /** Waits until exactly these policies are delivered. */
  async receives(...names: string[]): Promise<VerifiedDelivery> {
    const wanted = names.toSorted().join();
    return eventually(`${this.name} has the policies [${wanted}]`, async () => {
      const delivery = await this.fetch();
      return delivery?.policies.map(({ name }) => name).join() === wanted && delivery;
    });
  }

  /** Reports that what was fetched last is applied, with this state for every rule, and what it signed beside it. */
  async report(
    state: RuleState = 'enforced',
    over: Partial<NodeReport> = {},
    signedStatus?: SignedDocument,
  ): Promise<NodeReport> {
    const { last } = this;
    if (!last) throw new Error('nothing was fetched yet');
    const { epoch, generation, issuedAt, bundleDigest } = last.assignment;
    this.#sequence += 1;
    const report: NodeReport = {
      v: 1,
      nodeId: this.nodeId,
      sequence: this.#sequence,
      bootedAt: this.#bootedAt,
      asOf: new Date().toISOString(),
      enforcer: 'observe',
      applied: { epoch, generation, issuedAt, bundleDigest },
      conditions: [],
      drift: [],
      policies: last.policies.map(({ name, revision, document }) => ({
        policy: name,
        revision,
        rules: ruleIds(document).map((id) => ({ id, state })),
      })),
      host: { hostname: this.name, kernel: 'test', lsm: [] },
      versions: { agent: 'test', sensor: 'test' },
      losses: { audit: 0, spool: 0 },
      heads: signedStatus && headsIn(signedStatus),
      ...over,
    };
    await this.link.writeState(sealReport(last.channelKey, this.nodeId, bytes(report)), {
      signedStatus:
        signedStatus && sealSignedStatus(last.channelKey, this.nodeId, bytes(signedStatus)),
      isQuiet: this.isQuiet,
    });
    return report;
  }

  /**
   * Reports what is there now. An agent does so whenever something newer is: what one control plane has written may be
   * written again, by itself where it hears that Redis was filled anew, or by another one.
   */
  async takesAndReports(): Promise<NodeReport> {
    await this.fetch();
    return this.report();
  }

  /** What it says of itself, signed: that what was fetched last is enforced, unless the test says otherwise. */
  state(over: Partial<HostSignedStatus> = {}): SignedDocument {
    if (!this.last) throw new Error('nothing was fetched yet');
    const { assignment, policies, rootVersion } = this.last;
    const { epoch, generation, issuedAt, bundleDigest: digest } = assignment;
    this.#sequence += 1;
    const now = Date.now();
    const signedStatus: HostSignedStatus = {
      ...({ v: 1, nodeId: this.nodeId, sequence: this.#sequence } as const),
      bootedAt: Date.parse(this.#bootedAt),
      ...{ at: now, asOf: now, rootVersion, conditions: [], auditLog: [] },
      applied: { epoch, generation, issuedAt, digest },
      ...({ enforcer: 'apparmor', mode: 'enforce' } as const),
      policies: policies.map(({ name, version, digest: of, document }) => ({
        name,
        document: { version, digest: of },
        states: { enforced: ruleIds(document).length },
      })),
      ...over,
    };
    return signStatus(signedStatus, loadSigner(this.#signing.privateKey));
  }

  /** Appends one sealed batch, as of this run of its agent unless `run` says another. */
  async send(batch: AlertBatch, run?: AgentRun): Promise<void> {
    if (!this.last) throw new Error('nothing was fetched yet');
    const of = run ?? this.run;
    const sealed = sealEvents(this.last.channelKey, this.nodeId, bytes({ ...batch, run: of }));
    await this.link.appendEvents(sealed);
  }

  /** The event id up to which the control plane says it has everything. */
  async cursor(): Promise<string | undefined> {
    const sealed = await this.link.readCursor();
    if (!sealed || !this.last) return undefined;
    const opened = openCursor(this.last.channelKey, this.nodeId, sealed);
    return (JSON.parse(opened.toString('utf8')) as { last: string }).last;
  }
}

function ruleIds(document: unknown): readonly string[] {
  const parsed = validateDocument(document, { mode: 'lenient' }).document;
  return parsed?.kind === 'KubeArmorHostPolicy' ? rulesOf(parsed).map(({ id }) => id) : [];
}

/** Names of the heads in a signed status, as an agent reports them. */
function headsIn({ payload }: SignedDocument): readonly string[] {
  const { auditLog } = JSON.parse(
    Buffer.from(payload, 'base64').toString('utf8'),
  ) as HostSignedStatus;
  return auditLog.map(auditLogHeadName);
}

function bytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
