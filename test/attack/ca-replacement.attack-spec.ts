import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { redisKeys, type AuthoritiesView } from '#contracts';
import {
  createCsr,
  fingerprint,
  isIssuedBy,
  issueClient,
  issueServer,
  issueServiceClient,
  type KeyAndCertificate,
} from '#pki';
import { nodeUserName } from '#redis';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product, projectRoot, type CliResult } from '../e2e/support/product.js';
import { RedisValues } from '../e2e/support/redis-values.js';
import { StandIns } from '../e2e/support/stand-in-host.js';

const MINUTE = 60_000;

jest.setTimeout(4 * MINUTE);

let product: Product;
let redis: RedisValues;
let stands: StandIns;
/** The CA before, which a thief has. */
let stolen: KeyAndCertificate;
let node: string;
let nodeId: string;
let second: ChildProcess | undefined;
let sessions: readonly string[];
let children: Readonly<Record<string, number>>;
let etcdStarts: string;

beforeAll(async () => {
  product = await Product.up({ localAgent: true });
  redis = await RedisValues.of(product);
  stands = await StandIns.of(product);
  stolen = { certificatePem: read(pki('authority.pem')), privateKeyPem: read(pki('ca.key')) };
  const listed = (await product.must(['get', 'nodes', '-o', 'json'])).stdout;
  [{ name: node, nodeId }] = JSON.parse(listed) as [{ name: string; nodeId: string }];
});
afterAll(async () => {
  stands?.close();
  second?.kill('SIGKILL');
  await product?.down();
});

const pki = (name: string): string => join(product.dataDir, 'control-plane', 'pki', name);
const read = (path: string): string => readFileSync(path, 'utf8');
const agentFile = (name: string): string => join(product.dataDir, 'agent', 'state', 'agent', name);
const ca = (...args: string[]): Promise<CliResult> => product.cli(['ca', ...args]);
const mustCa = (...args: string[]): Promise<CliResult> => product.must(['ca', ...args], 3 * MINUTE);
const view = async (): Promise<AuthoritiesView> =>
  JSON.parse((await mustCa('status', '-o', 'json')).stdout) as AuthoritiesView;
const issuing = async (): Promise<string> =>
  (await view()).authorities.find(({ role }) => role === 'issuing')?.fingerprint ?? '';
const port = (name: 'redis' | 'redisEvents' | 'etcdClient'): number =>
  (JSON.parse(read(join(product.dataDir, 'ports.json'))) as Record<string, number>)[name] ?? 0;

/** Certificate that a server shows now, PEM. */
function shown(at: number, trusted: string, identity: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', port: at, servername: 'localhost', ca: trusted, ...identity };
    const socket = connect(to, () => {
      resolve(socket.getPeerX509Certificate()?.toString() ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

/** Starts a second agent of this machine, enrolled by the fingerprint. */
async function enrolAgent(name: string, caFingerprint: string): Promise<string> {
  const folder = join(product.dataDir, '..', name);
  await mkdir(folder, { recursive: true });
  const config = join(folder, 'agent.yaml');
  const { url } = await product.record();
  const content = {
    controlPlane: { url, caFingerprint },
    enforcer: 'observe',
    stateDir: join(folder, 'state'),
  };
  await writeFile(config, stringify(content), { mode: 0o600 });
  const args = ['enroll', `--config=${config}`, `--name=${name}`, '--token-file=-'];
  const enrolling = promisify(execFile)(execPath, [AGENT(), ...args], { timeout: MINUTE });
  enrolling.child.stdin?.end(await product.joinToken());
  await enrolling;
  return config;
}

const AGENT = (): string => join(projectRoot, 'dist/apps/agent/src/bundle.js');

/** A server of a thief, by a certificate of the stolen CA. */
async function rogue<T>(use: (port: number) => Promise<T>): Promise<T> {
  const leaf = await issueServer({
    authority: stolen,
    names: ['localhost'],
    ips: ['127.0.0.1'],
  });
  const cert = leaf.certificatePem + stolen.certificatePem;
  const server = createServer({ key: leaf.privateKeyPem, cert }, (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"items":[]}'),
  ).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** What the control plane answers to somebody who shows a certificate of the stolen CA in the name of the host. */
async function asHost(): Promise<number> {
  const { csrPem, privateKeyPem: key } = await createCsr();
  const cert = await issueClient({ authority: stolen, csrPem, nodeId });
  const { url } = await product.record();
  const to = { method: 'POST', ca: read(pki('ca.pem')), cert, key, agent: false };
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const path = new URL('/v1/authorities/trusted', url);
    const outgoing = request(path, { ...to, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    outgoing.once('error', reject);
    outgoing.end(JSON.stringify({ trusted: [fingerprint(stolen.certificatePem)] }));
  });
}

describe('the replacement of the CA, while everything runs', () => {
  it('begins: the next one is trusted everywhere, and no certificate is of it yet', async () => {
    await eventually('the host is known', MINUTE, async () => (await view()).hostsBehind === 0);
    expect(await issuing()).toBe(fingerprint(stolen.certificatePem));
    expect((await ca('switch')).stderr).toContain('no replacement waits');
    sessions = await redis.sessions(nodeUserName(nodeId));
    expect(sessions.length).toBeGreaterThan(0);
    ({ children } = await product.record());
    etcdStarts = read(join(product.dataDir, 'etcd.log'));
    expect((await product.must(['audit-log', 'verify'])).stdout).toContain('first run here');
    await mustCa('begin');
    expect((await ca('begin')).stderr).toContain('lets no further replacement begin');
    await eventually('the host has learned it', MINUTE, async () => {
      const { hostsBehind, phase } = await view();
      return phase === 'begun' && hostsBehind === 0;
    });
    expect(read(agentFile('ca.crt'))).toBe(read(pki('ca.pem')));
    for (const at of [product.port, port('redis'), port('redisEvents')])
      expect(isIssuedBy(await shown(at, read(pki('ca.pem'))), stolen.certificatePem)).toBe(true);
  });

  it('ATTACKER: owner of Redis, says on the common channel that other CAs are trusted: hosts ask, and believe nothing of it', async () => {
    const before = read(agentFile('ca.crt'));
    const data = { authorities: ['00'.repeat(32)] };
    const message = JSON.stringify({ pattern: redisKeys.check, data });
    for (let i = 0; i < 5; i += 1) await redis.publish(redisKeys.check, message);
    await product.apply(blockProgram('after-hint', '/usr/bin/nc', { no: 'host' }));
    expect(read(agentFile('ca.crt'))).toBe(before);
  });

  it('does not let the next one sign while a host has not said that it trusts it', async () => {
    await stands.host('silent', 'env=prod');
    const refused = await ca('switch');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('silent')]);
    expect(await issuing()).toBe(fingerprint(stolen.certificatePem));
    await product.must(['node', 'revoke', 'silent', '--reason', 'gone']);
  });

  it('switches: all certificates become of the next one, and no connection of the host is dropped', async () => {
    await mustCa('switch', '--wait');
    expect(await issuing()).not.toBe(fingerprint(stolen.certificatePem));
    for (const at of [product.port, port('redis'), port('redisEvents')])
      await eventually(`${at} shows the next one`, 2 * MINUTE, async () =>
        isIssuedBy(await shown(at, read(pki('ca.pem'))), read(pki('authority.pem'))),
      );
    await eventually('the host has a certificate of the next one', MINUTE, () =>
      Promise.resolve(isIssuedBy(read(agentFile('tls.crt')), read(pki('authority.pem')))),
    );
    expect(await redis.sessions(nodeUserName(nodeId))).toEqual(
      expect.arrayContaining([...sessions]),
    );
    expect((await product.record()).children).toEqual(children);
    await mustCa('trust');
  });

  it('lets a new host in by the new fingerprint, and none by the old one', async () => {
    await expect(enrolAgent('old-pin', fingerprint(stolen.certificatePem))).rejects.toThrow();
    const config = await enrolAgent('new-pin', await issuing());
    second = spawn(execPath, [AGENT(), 'run', `--config=${config}`], { stdio: 'ignore' });
    await eventually('it follows', MINUTE, async () => (await view()).hostsCurrent === 2);
  });

  it('finishes: the CA before is nowhere any more, and the same connections stand', async () => {
    await mustCa('finish', '--wait');
    expect(await view()).toMatchObject({ phase: 'settled', renewed: true });
    await eventually(
      'hosts have given it up',
      MINUTE,
      async () => (await view()).hostsBehind === 0,
    );
    expect(read(agentFile('ca.crt'))).toBe(read(pki('authority.pem')));
    for (const file of readdirSync(join(pki('.'))))
      expect([file, read(pki(file)).includes(stolen.privateKeyPem.slice(40, 120))]).toEqual([
        file,
        false,
      ]);
    expect(existsSync(pki('authority-previous.pem'))).toBe(false);
    expect(await redis.sessions(nodeUserName(nodeId))).toEqual(
      expect.arrayContaining([...sessions]),
    );
    expect((await product.record()).children).toEqual(children);
    expect(read(join(product.dataDir, 'etcd.log')).startsWith(etcdStarts)).toBe(true);
    // The operator trusts another CA now, and still compares with what was seen under the one before.
    const compared = await product.must(['audit-log', 'verify']);
    expect(compared.stdout).toContain('the audit log is whole');
    expect(compared.stdout).not.toContain('first run here');
    const { text } = await (await product.rest()).get('/v1/audit-log?limit=200');
    for (const action of ['begun', 'switched', 'finished'])
      expect(text).toContain(`authority.${action}`);
  });
});

describe('ATTACKER: thief of the CA that was replaced', () => {
  it('ATTACKER: plays the control plane to a host and to an operator: neither believes its certificate', async () => {
    await rogue(async (at) => {
      await expect(shown(at, read(agentFile('ca.crt')))).rejects.toThrow();
      const env = { HOSTWARD_URL: `https://127.0.0.1:${at}` };
      const operator = await product.cli(['get', 'nodes'], { env });
      expect([operator.code, operator.stdout]).toEqual([1, '']);
      await expect(shown(at, stolen.certificatePem)).resolves.toContain('BEGIN CERTIFICATE');
    });
  });

  it('ATTACKER: shows certificates of it as a client of the control plane, of Redis and of etcd: refused', async () => {
    expect(await asHost()).toBe(401);
    const client = await issueServiceClient({ authority: stolen, name: 'control-plane' });
    const identity = { cert: client.certificatePem, key: client.privateKeyPem };
    const ping = (at: number, trusted: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const to = { host: '127.0.0.1', port: at, servername: 'localhost', ca: trusted };
        const socket = connect({ ...to, ...identity }, () => socket.write('PING\r\n'));
        socket.once('data', (text: Buffer) => resolve(text.toString()));
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('closed')));
      });
    for (const name of ['redis', 'redisEvents'] as const)
      await expect(ping(port(name), read(pki('ca.pem')))).rejects.toThrow();
    await expect(ping(port('etcdClient'), read(pki('etcd-ca.pem')))).rejects.toThrow();
  });

  it('a policy still reaches the host, and all starts again by the new CA', async () => {
    const rest = await product.rest();
    await product.must(['label', 'node', node, 'ca=replaced']);
    await product.apply(blockProgram('after', '/usr/bin/nc', { ca: 'replaced' }));
    const reports = async (): Promise<boolean> =>
      /"policy":"after"[^}]*"state":"(?!pending|unknown)/.test(
        (await rest.get(`/v1/nodes/${node}/status`)).text,
      );
    await eventually('reported', MINUTE, reports);
    await product.stop();
    await product.start(true);
    expect((await product.record()).caFingerprint).toBe(await issuing());
    await eventually('reported again', MINUTE, reports);
  });
});
