import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import {
  createAuthority,
  createCsr,
  fingerprint,
  issueClient,
  issueServer,
  type KeyAndCertificate,
} from '#pki';
import { hostFiles, type HostFiles } from '../config/host-files.js';
import { SystemClock } from '../health/clock.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { Context } from '../health/context.js';
import { AuthorityWatch } from './authority-watch.js';
import type { Renewal } from './renewal.js';
import { TrustedAuthorities } from '../trust/trusted-authorities.js';

/** Waits for nothing: a hint is followed at once. */
class HastyClock extends SystemClock {
  override wait(): Promise<void> {
    return Promise.resolve();
  }
}

let folder: string;
let files: HostFiles;
let server: Server;
let first: KeyAndCertificate;
let next: KeyAndCertificate;
let authorities: TrustedAuthorities;
let watch: AuthorityWatch;
let around: Context;
let renewed: number;
/** What hosts said, and what they are answered. */
let said: unknown[];
let answer: { status: number; body: unknown };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-authorities-'));
  files = hostFiles(folder);
  mkdirSync(files.agentDir);
  [first, next] = [await createAuthority(named('first')), await createAuthority(named('next'))];
  const leaf = await issueServer({ authority: first, names: [], ips: ['127.0.0.1'] });
  const { csrPem: csr } = await createCsr();
  const nodeId = 'ab'.repeat(32);
  writeFileSync(files.certificate, await issueClient({ authority: first, csrPem: csr, nodeId }));
  writeFileSync(files.ca, first.certificatePem);
  [said, renewed] = [[], 0];
  answer = { status: 200, body: undefined };
  server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem });
  server.on('request', (request, response) => {
    void text(request).then((body) => {
      said.push((JSON.parse(body) as { trusted: unknown }).trusted);
      response.writeHead(answer.status).end(JSON.stringify(answer.body ?? {}));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  authorities = new TrustedAuthorities(files, first.certificatePem);
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new ControlPlaneClient({ url, ca: () => authorities.pem, timeoutMs: 60_000 });
  around = new Context(new HastyClock(), new Log({ write: () => undefined }));
  const renewal = { renewCertificate: () => Promise.resolve((renewed += 1) < 2) };
  watch = new AuthorityWatch({ files, authorities }, client, renewal as Renewal, around);
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const named = (name: string) => ({ name, days: 1 });
const print = ({ certificatePem }: KeyAndCertificate): string => fingerprint(certificatePem);
const trusts = (...those: KeyAndCertificate[]): object => ({
  authorities: those.map(({ certificatePem }) => certificatePem),
  issuing: print(those[0] ?? first),
});

describe('a host whose control plane replaces its CA', () => {
  it('trusts what it is told over a connection that it trusts, keeps it, and says that it has followed', async () => {
    answer.body = trusts(first, next);
    await watch.attempt();
    expect(said).toEqual([[print(first)], [print(first), print(next)]]);
    expect(readFileSync(files.ca, 'utf8')).toBe(first.certificatePem + next.certificatePem);
    expect(renewed).toBe(0);
  });

  it('gets a certificate of the one that signs, once that is another one', async () => {
    answer.body = trusts(next, first);
    await watch.attempt();
    expect(renewed).toBeGreaterThan(0);
    expect(authorities.fingerprints).toEqual([print(next), print(first)]);
  });

  it('renews a certificate that does not count any more, and asks again by the new one', async () => {
    answer = { status: 401, body: {} };
    await watch.attempt();
    expect([renewed, said.length]).toEqual([2, 2]);
  });

  it.each([
    ['none', { authorities: [], issuing: '' }],
    ['nothing at all', {}],
    ['what is none', { authorities: ['x'], issuing: '' }],
    ['a list of others', { authorities: [7], issuing: '' }],
    ['too many', { authorities: Array.from({ length: 9 }, () => 'first'), issuing: '' }],
  ])('keeps what it trusts where it is told of %s', async (what, body) => {
    const nine = Array.from({ length: 9 }, () => first.certificatePem);
    answer.body = what === 'too many' ? { ...body, authorities: nine } : body;
    await watch.attempt();
    expect(authorities.pem).toBe(first.certificatePem);
    expect(readFileSync(files.ca, 'utf8')).toBe(first.certificatePem);
  });

  it('keeps what it trusts where it is told of the certificate of a host as one', async () => {
    answer.body = { authorities: [readFileSync(files.certificate, 'utf8')], issuing: '' };
    await watch.attempt();
    expect(authorities.pem).toBe(first.certificatePem);
  });

  it('shows that the control plane is away, as long as it is', async () => {
    const isAway = (): boolean => around.conditions.has('control-plane');
    const leaf = await issueServer({ authority: next, names: [], ips: ['127.0.0.1'] });
    server.setSecureContext({ key: leaf.privateKeyPem, cert: leaf.certificatePem });
    await watch.attempt();
    expect(isAway()).toBe(true);
    answer = { status: 503, body: {} };
    authorities = new TrustedAuthorities(files, next.certificatePem);
    await watch.attempt();
    expect(isAway()).toBe(true);
    answer = { status: 200, body: trusts(next) };
    await watch.attempt();
    expect(isAway()).toBe(false);
  });

  it('asks at a hint only where that names others than it trusts, and believes nothing of it', async () => {
    answer.body = trusts(first);
    await watch.hinted([print(first)]);
    expect(said).toEqual([]);
    for (const hint of [[print(next)], 'x', {}, undefined]) await watch.hinted(hint);
    expect(said).toHaveLength(4);
    expect(authorities.pem).toBe(first.certificatePem);
  });

  it('says and believes nothing where the other side is of another CA', async () => {
    const leaf = await issueServer({ authority: next, names: [], ips: ['127.0.0.1'] });
    server.setSecureContext({ key: leaf.privateKeyPem, cert: leaf.certificatePem });
    answer.body = trusts(next);
    await watch.attempt();
    expect([said, authorities.pem]).toEqual([[], first.certificatePem]);
  });
});
