import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, request, type RequestOptions, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createCsr, issueClient, issueServer } from '#pki';
import { Authorities } from '../certificates/authorities.js';
import { authorityPaths } from '../certificates/authority-paths.js';
import { secureContext } from '../server/http-adapter.js';
import { SecretFiles } from '../vault/secret-files.js';
import { provenNodeId } from './host-certificate.js';

const NODE_ID = 'ab'.repeat(32);
const HOUR_MS = 3_600_000;

let folder: string;
let authorities: Authorities;
let server: Server;
let host: RequestOptions & ConnectionOptions;

/** A server of ours, and a host with a certificate for an hour. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hw-host-certificate-'));
  const [trusted = '', file = '', secret = ''] = ['ca.pem', 'authority.pem', 'ca.key'].map((name) =>
    join(folder, name),
  );
  const paths = authorityPaths({ trusted, cert: file, key: secret });
  authorities = await Authorities.ensure(paths, new SecretFiles());
  const authority = authorities.issuing;
  const ca = Buffer.from(authority.certificatePem);
  const leaf = await issueServer({ authority, names: [], ips: ['127.0.0.1'] });
  const [cert, key] = [leaf.certificatePem, leaf.privateKeyPem].map((pem) => Buffer.from(pem));
  const tls = secureContext({ cert: cert ?? ca, key: key ?? ca, ca });
  server = createServer(
    { ...tls, requestCert: true, rejectUnauthorized: false },
    ({ socket }, response) => response.end(provenNodeId(socket, authorities) ?? 'nobody'),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { csrPem, privateKeyPem } = await createCsr();
  const own = await issueClient({ authority, csrPem, nodeId: NODE_ID, hours: 1 });
  const { port } = server.address() as AddressInfo;
  host = { host: '127.0.0.1', port, ca, cert: own, key: privateKeyPem, agent: false };
});
afterEach(() => {
  jest.restoreAllMocks();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Who the server says that asks, whether the session was resumed, and the next one's. */
async function asked(session?: Buffer) {
  const outgoing = request({ ...host, ...(session && { session }) });
  let next: Buffer | undefined;
  outgoing.once('socket', (socket) => socket.on('session', (ticket: Buffer) => (next = ticket)));
  outgoing.end();
  const [answer] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
  const resumed = (outgoing.socket as TLSSocket).isSessionReused();
  return { who: await text(answer), resumed, session: next };
}

describe('a host that keeps its connection', () => {
  it('is nobody from the moment on at which the CA of its certificate is trusted no more', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const who = async (): Promise<string> => {
      const outgoing = request({ ...host, agent }).end();
      const [answer] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
      return `${outgoing.reusedSocket} ${await text(answer)}`;
    };
    expect(await who()).toBe(`false ${NODE_ID}`);
    await authorities.begin();
    await authorities.switch();
    expect(await who()).toBe(`true ${NODE_ID}`);
    await authorities.finish();
    expect(await who()).toBe('true nobody');
    agent.destroy();
  });
});

describe('a host that goes on with its TLS session', () => {
  it('is who its certificate says, until that is over', async () => {
    const { who, session } = await asked();
    expect(who).toBe(NODE_ID);
    expect(await asked(session)).toMatchObject({ who: NODE_ID, resumed: true });
    const later = Date.now() + HOUR_MS;
    jest.spyOn(Date, 'now').mockReturnValue(later);
    expect(await asked(session)).toMatchObject({ who: 'nobody', resumed: true });
  });

  it('is judged anew once other tickets count', async () => {
    const { session } = await asked();
    server.setTicketKeys(Buffer.alloc(48, 1));
    expect(await asked(session)).toMatchObject({ who: NODE_ID, resumed: false });
  });
});
