import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createAuthority, createCsr, issueClient, issueServer, type KeyAndCertificate } from '#pki';
import { ControlPlaneClient } from './control-plane.client.js';

const NODE_ID = 'ab'.repeat(32);

let authority: KeyAndCertificate;
let server: Server;
let ca: string;
let identity: { cert: string; key: string };
let client: ControlPlaneClient;
/** Of each request: whether its connection went on with a session, and whose certificate it showed. */
let seen: [resumed: boolean, subject: string | undefined][];

beforeEach(async () => {
  seen = [];
  authority = await createAuthority({ name: 'first', days: 1 });
  ca = authority.certificatePem;
  identity = await issued();
  await serve('127.0.0.1');
});
afterEach(() => stop());

async function serve(ip: string): Promise<void> {
  const { privateKeyPem, certificatePem } = await issueServer({ authority, names: [], ips: [ip] });
  const tls = { key: privateKeyPem, cert: certificatePem, ca, requestCert: true };
  server = createServer({ ...tls, rejectUnauthorized: false }, ({ socket }, response) => {
    const tlsSocket = socket as TLSSocket;
    const { subject } = tlsSocket.getPeerX509Certificate() ?? {};
    seen.push([tlsSocket.isSessionReused(), tlsSocket.authorized ? subject : undefined]);
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [caOf, identityOf] = [(): string => ca, () => Promise.resolve(identity)];
  client = new ControlPlaneClient({ url, ca: caOf, identity: identityOf, timeoutMs: 20_000 });
}

function stop(): void {
  server.closeAllConnections();
  server.close();
}

async function issued(): Promise<typeof identity> {
  const { csrPem, privateKeyPem } = await createCsr();
  return { cert: await issueClient({ authority, csrPem, nodeId: NODE_ID }), key: privateKeyPem };
}

describe('a connection to the control plane', () => {
  it('goes on with the TLS session of the one before, and is proved by the same certificate', async () => {
    for (let each = 0; each < 3; each += 1) await client.get('/healthz');
    const subject = `CN=${NODE_ID}`;
    expect(seen).toEqual([
      [false, subject],
      [true, subject],
      [true, subject],
    ]);
  });

  it('begins a new one where it has another certificate, and where another CA counts', async () => {
    await client.get('/healthz');
    identity = await issued();
    await client.get('/healthz');
    ca += (await createAuthority({ name: 'next', days: 1 })).certificatePem;
    await client.get('/healthz');
    await client.get('/healthz');
    expect(seen.map(([resumed]) => resumed)).toEqual([false, false, false, true]);
  });

  it('is refused each time where the other side is not who it is to be', async () => {
    stop();
    await serve('127.0.0.2');
    for (let each = 0; each < 3; each += 1)
      await expect(client.get('/healthz')).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    expect(seen).toEqual([]);
  });

  it('can be made and given up before there is a handshake', async () => {
    let handshakes = 0;
    server.on('secureConnection', () => (handshakes += 1));
    await client.connect();
    await client.get('/healthz');
    expect([handshakes, seen.length]).toEqual([1, 1]);
  });

  it('cannot be made where nobody listens, or without what a request is made from', async () => {
    stop();
    await expect(client.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    identity = { cert: 'none', key: 'none' };
    await expect(client.connect()).rejects.toThrow(/PEM/);
  });
});
