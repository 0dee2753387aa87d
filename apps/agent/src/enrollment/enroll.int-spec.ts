import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { generateSigningKey, loadSigner, signRoot, verifyEnrollment } from '#bundle';
import type { EnrollRequest } from '#contracts';
import { createAuthority, fingerprint, issueClient, issueServer } from '#pki';
import { AgentConfig } from '../config/agent-config.js';
import { hostFiles } from '../config/host-files.js';
import { CaNotPinned, ControlPlaneUnreachable } from './pinned-ca.js';
import { enroll, type EnrollOptions } from './enroll.js';

/** A control plane that knows one route; `answers` decides the status of each attempt. */
class EnrollmentServer {
  readonly received: EnrollRequest[] = [];
  answers: number[] = [];
  bytes = 0;
  readonly #rootKey = generateSigningKey();

  private constructor(
    private readonly server: Server,
    private readonly authority: Awaited<ReturnType<typeof createAuthority>>,
  ) {}

  static async start(chainWithCa = true): Promise<EnrollmentServer> {
    const authority = await createAuthority({ name: 'test', days: 1 });
    const leaf = await issueServer({ authority, names: ['localhost'], ips: ['127.0.0.1'] });
    const chain = chainWithCa ? leaf.certificatePem + authority.certificatePem : leaf.certificatePem;
    const server = createServer({ key: leaf.privateKeyPem, cert: chain });
    const self = new EnrollmentServer(server, authority);
    server.on('secureConnection', (socket) => socket.on('data', (chunk) => (self.bytes += chunk.length)));
    server.on('request', (request, response) => {
      void self.answer(request).then(({ status, body }) => response.writeHead(status).end(JSON.stringify(body)));
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

  private async answer(request: Parameters<typeof text>[0]): Promise<{ status: number; body: unknown }> {
    const body = JSON.parse(await text(request)) as EnrollRequest;
    this.received.push(body);
    const status = this.answers.shift() ?? 200;
    if (status !== 200) return { status, body: { title: 'Not enrolled', detail: 'the token is used up' } };
    const nodeId = verifyEnrollment(body);
    const certificate = await issueClient({ authority: this.authority, csrPem: body.csr, nodeId });
    const redis = { port: 6379, username: nodeId, password: 'secret' };
    return { status, body: { nodeId, name: body.name, certificate, ca: this.authority.certificatePem, redis, root: this.root() } };
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

let stateDir: string;
let server: EnrollmentServer;
beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'hostward-enroll-'));
  server = await EnrollmentServer.start();
});
afterEach(async () => {
  await server.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

function options(change: Partial<AgentConfig['controlPlane']> = {}): EnrollOptions {
  const config = new AgentConfig();
  config.controlPlane = { url: server.url, caFingerprint: server.fingerprint, ...change };
  config.stateDir = stateDir;
  return { config, token: 'join-token', name: 'web1' };
}

describe('enrolling a host', () => {
  it('sends a request that proves its keys and keeps what it is given, secrets for their owner only', async () => {
    const { nodeId, already } = await enroll(options());
    expect(already).toBe(false);
    const [request] = server.received;
    expect(request).toMatchObject({ token: 'join-token', name: 'web1' });
    const files = hostFiles(stateDir);
    expect(readFileSync(files.nodeId, 'utf8')).toBe(`${nodeId}\n`);
    expect(JSON.parse(readFileSync(files.redis, 'utf8'))).toMatchObject({ username: nodeId });
    expect(readFileSync(files.certificate, 'utf8')).toContain('BEGIN CERTIFICATE');
    for (const secret of [files.signingKey, files.sealingKey, files.tlsKey, files.redis]) {
      expect(statSync(secret).mode & 0o777).toBe(0o600);
    }
    for (const trusted of [files.root, files.nodeId]) expect(statSync(trusted).mode & 0o777).toBe(0o644);
    expect(statSync(files.agentDir).mode & 0o777).toBe(0o700);
  });

  it('gives the agent its files and keeps root the owner of trust, when it will run as another user', async () => {
    if (process.getuid?.() !== 0) return;
    await enroll({ ...options(), owner: { uid: 65534, gid: 65534 } });
    const files = hostFiles(stateDir);
    expect(statSync(files.tlsKey)).toMatchObject({ uid: 65534 });
    expect(statSync(files.root)).toMatchObject({ uid: 0, gid: 0 });
    const sealing = statSync(files.sealingKey);
    expect([sealing.uid, sealing.gid, sealing.mode & 0o777]).toEqual([0, 65534, 0o640]);
  });

  it('sends not one byte to a server that does not show the pinned CA', async () => {
    await expect(enroll(options({ caFingerprint: 'ab'.repeat(32) }))).rejects.toThrow(CaNotPinned);
    expect(server.received).toEqual([]);
    expect(server.bytes).toBe(0);
  });

  it('refuses a server that shows the pinned CA but has no certificate under it', async () => {
    const other = await EnrollmentServer.start(false);
    await expect(enroll(options({ url: other.url }))).rejects.toThrow(CaNotPinned);
    expect(other.bytes).toBe(0);
    await other.stop();
  });

  it('comes with the same keys when it tries again', async () => {
    server.answers = [503, 409];
    await expect(enroll(options())).rejects.toThrow(/status 503.*Not enrolled: the token is used up/s);
    await expect(enroll(options())).rejects.toThrow(/status 409/);
    await enroll(options());
    const sent = server.received.map(({ signingKey, sealingKey, csr, signature }) => ({ signingKey, sealingKey, csr, signature }));
    expect(sent[1]).toEqual(sent[0]);
    expect(sent[2]).toEqual(sent[0]);
  });

  it('does nothing on a host that is enrolled, and refuses to move it to another CA by itself', async () => {
    const first = await enroll(options());
    expect(await enroll(options())).toEqual({ ...first, already: true });
    expect(server.received).toHaveLength(1);
    await expect(enroll(options({ caFingerprint: 'cd'.repeat(32) }))).rejects.toThrow(/enrolled under another CA/);
  });

  it('says who could not be reached', async () => {
    await expect(enroll(options({ url: 'https://127.0.0.1:1' }))).rejects.toThrow(ControlPlaneUnreachable);
  });
});
