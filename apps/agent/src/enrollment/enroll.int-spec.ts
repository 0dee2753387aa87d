import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Log } from '#observability';
import { Agent } from '../runtime/agent.js';
import { AgentConfig } from '../config/agent-config.js';
import { enrolledHost } from './enrolled-host.js';
import { hostFiles } from '../config/host-files.js';
import { EnrollmentDouble } from '../testing/enrollment-double.js';
import { ScriptedSensor } from '../testing/scripted-sensor.js';
import { CaNotPinned, ControlPlaneUnreachable } from '../trust/pinned-ca.js';
import { SystemClock } from '../health/clock.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { Context } from '../health/context.js';
import { Renewal } from './renewal.js';
import { secretHash } from './redis-secret.js';
import { enroll, type EnrollOptions } from './enroll.js';

let stateDir: string;
let server: EnrollmentDouble;
beforeEach(async () => {
  around = undefined;
  stateDir = mkdtempSync(join(tmpdir(), 'hostward-enroll-'));
  server = await EnrollmentDouble.start();
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

/** Times as they would be at a part of the certificate's day. */
class LaterClock extends SystemClock {
  constructor(private readonly laterMs: number) {
    super();
  }
  override now(): number {
    return Date.now() + this.laterMs;
  }
}

let around: Context | undefined;

async function renewalAfter(hours: number): Promise<Renewal> {
  const { config } = options();
  const host = await enrolledHost(config);
  const client = new ControlPlaneClient({
    url: server.url,
    ca: () => host.authorities.pem,
    timeoutMs: 60_000,
  });
  around = new Context(
    new LaterClock(hours * 3_600_000),
    new Log({ write: () => undefined }),
    around?.conditions,
  );
  return new Renewal(host, client, around);
}

describe('renewing what enrolment gave', () => {
  const secret = (): string => readFileSync(hostFiles(stateDir).redisSecret, 'utf8').trim();
  const certificate = (): string => readFileSync(hostFiles(stateDir).certificate, 'utf8');

  it('asks for a new certificate by the same keys and without a token, at two thirds of its life and not before', async () => {
    await enroll(options());
    const first = certificate();
    await (await renewalAfter(15)).attempt();
    expect(server.received).toHaveLength(1);
    await (await renewalAfter(17)).attempt();
    expect(server.received[1]).toMatchObject({ token: '', csr: server.received[0]?.csr });
    expect(certificate()).not.toBe(first);
  });

  it('tells when Redis is reached in another way, and keeps that', async () => {
    await enroll(options());
    server.redisPort = 7777;
    const renewal = await renewalAfter(17);
    let moved = 0;
    renewal.onMoved(() => (moved += 1));
    await renewal.attempt();
    expect(moved).toBe(1);
    expect((await enrolledHost(options().config)).redis).toMatchObject({
      host: '127.0.0.1',
      port: 7777,
    });
    await renewal.attempt();
    expect(moved).toBe(1);
  });

  it('starts the agent anew where Redis is reached in another way, told before it has found the old one away', async () => {
    const { config } = options();
    await enroll(options());
    server.redisPort = 7777;
    const clock = new LaterClock(17 * 3_600_000);
    const context = new Context(clock, new Log({ write: () => undefined }));
    const host = await enrolledHost(config);
    const sensor = new ScriptedSensor();
    const agent = await Agent.start({ config, host, around: context, sensor });
    expect(server.received).toHaveLength(2);
    expect(await agent.moved).toBe('moved');
    await agent.stop();
  }, 20_000);

  it.each([
    ['asks for the way to a Redis for events that is away alone', 6380, 2],
    ['asks for none where events wait for another reason', undefined, 1],
  ])('%s', async (_what, eventsPort, asked) => {
    server.redisEventsPort = eventsPort;
    await enroll(options());
    await (await renewalAfter(0)).attempt();
    around?.conditions.raise('events', 'alerts wait in the spool');
    await (await renewalAfter(1)).attempt();
    expect(server.received).toHaveLength(asked);
  });

  it('keeps what it has when the control plane refuses, and says so', async () => {
    await enroll(options());
    const first = certificate();
    server.answers = [403];
    await (await renewalAfter(17)).attempt();
    expect(certificate()).toBe(first);
    expect(around?.conditions.list()).toMatchObject([
      { name: 'enrollment', message: expect.stringContaining('the token is used up') },
    ]);
    await (await renewalAfter(17)).attempt();
    expect(around?.conditions.list()).toEqual([]);
  });

  it('renews not before the control plane said to come again', async () => {
    await enroll(options());
    [server.answers, server.retryAfter] = [[503], 600];
    const renewal = await renewalAfter(17);
    await renewal.attempt();
    await renewal.attempt();
    expect(server.received).toHaveLength(2);
    server.retryAfter = undefined;
    await (await renewalAfter(18)).attempt();
    expect(server.received).toHaveLength(3);
  });

  it('changes the secret for Redis with the certificate, and sends only its hash', async () => {
    await enroll(options());
    const before = secret();
    await (await renewalAfter(17)).attempt();
    expect(secret()).not.toBe(before);
    expect(server.received.map(({ redisSecretHash }) => redisSecretHash)).toEqual(
      [before, secret()].map(secretHash),
    );
    expect(JSON.stringify(server.received)).not.toContain(before);
    expect((await enrolledHost(options().config)).redisSecret.current).toBe(secret());
  });

  it('comes with the same new secret until the control plane has taken it', async () => {
    await enroll(options());
    const before = secret();
    server.answers = [503];
    await (await renewalAfter(17)).attempt();
    expect(secret()).toBe(before);
    await (await renewalAfter(1)).attempt();
    const [, second, third] = server.received;
    expect(third?.redisSecretHash).toBe(second?.redisSecretHash);
    expect(third?.redisSecretHash).toBe(secretHash(secret()));
    await (await renewalAfter(1)).attempt();
    expect(server.received).toHaveLength(3);
  });
});

describe('enrolling a host', () => {
  it('sends a request that proves its keys and keeps what it is given, secrets for their owner only', async () => {
    const { nodeId, already } = await enroll(options());
    expect(already).toBe(false);
    const [request] = server.received;
    expect(request).toMatchObject({ token: 'join-token', name: 'web1' });
    const files = hostFiles(stateDir);
    expect(readFileSync(files.nodeId, 'utf8')).toBe(`${nodeId}\n`);
    expect(JSON.parse(readFileSync(files.redis, 'utf8'))).toEqual({
      port: 6379,
      username: `node-${nodeId}`,
    });
    expect(readFileSync(files.certificate, 'utf8')).toContain('BEGIN CERTIFICATE');
    const { signingKey, sealingKey, tlsKey, redis, redisSecret } = files;
    for (const secret of [signingKey, sealingKey, tlsKey, redis, redisSecret]) {
      expect(statSync(secret).mode & 0o777).toBe(0o600);
    }
    for (const trusted of [files.root, files.nodeId])
      expect(statSync(trusted).mode & 0o777).toBe(0o644);
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
    const other = await EnrollmentDouble.start(false);
    await expect(enroll(options({ url: other.url }))).rejects.toThrow(CaNotPinned);
    expect(other.bytes).toBe(0);
    await other.stop();
  });

  it('comes with the same keys when it tries again', async () => {
    server.answers = [503, 409];
    await expect(enroll(options())).rejects.toThrow(
      /status 503.*Not enrolled: the token is used up/s,
    );
    await expect(enroll(options())).rejects.toThrow(/status 409/);
    await enroll(options());
    const sent = server.received.map(({ signingKey, sealingKey, csr, signature }) => ({
      signingKey,
      sealingKey,
      csr,
      signature,
    }));
    expect(sent[1]).toEqual(sent[0]);
    expect(sent[2]).toEqual(sent[0]);
  });

  it('comes again as a busy control plane says, unless it is to stop', async () => {
    [server.answers, server.retryAfter] = [[503, 429], 0];
    const { already } = await enroll(options());
    expect([already, server.received.length]).toEqual([false, 3]);
    rmSync(stateDir, { recursive: true });
    [server.answers, server.retryAfter] = [[503], 99];
    const signal = AbortSignal.abort();
    await expect(enroll({ ...options(), signal })).rejects.toThrow(/status 503/);
    expect(server.received).toHaveLength(4);
  });

  it('proves by its ssh host key which machine it is, where that is asked for', async () => {
    const sshHostKey = join(stateDir, 'ssh_host_ed25519_key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', sshHostKey]);
    await enroll({ ...options(), sshHostKey });
    expect(server.received[0]?.attestation).toMatchObject({
      kind: 'ssh-host-key',
      proof: expect.stringContaining('BEGIN SSH SIGNATURE'),
    });
  });

  it('sends nothing where that key is not there or needs a passphrase', async () => {
    const locked = join(stateDir, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret', '-f', locked]);
    for (const sshHostKey of [join(stateDir, 'none'), locked])
      await expect(enroll({ ...options(), sshHostKey })).rejects.toThrow(/enrol as root/);
    expect(server.received).toEqual([]);
  });

  it('does nothing on a host that is enrolled, and refuses to move it to another CA by itself', async () => {
    const first = await enroll(options());
    expect(await enroll(options())).toEqual({ ...first, already: true });
    expect(server.received).toHaveLength(1);
    await expect(enroll(options({ caFingerprint: 'cd'.repeat(32) }))).rejects.toThrow(
      /enrolled under another CA .*: hostward-agent offboard, /,
    );
  });

  it('says who could not be reached', async () => {
    await expect(enroll(options({ url: 'https://127.0.0.1:1' }))).rejects.toThrow(
      ControlPlaneUnreachable,
    );
  });
});
