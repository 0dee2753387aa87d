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
import { Authorities } from './authorities.js';
import { authorityPaths } from './authority-paths.js';
import { secureContext, type HttpOptions } from '../server/http-adapter.js';
import { ticketKeys } from '../server/ticket-keys.js';
import { SecretFiles } from '../config/secret-files.js';
import { provenNodeId } from './host-certificate.js';

const NODE_ID = 'ab'.repeat(32);
const HOUR_MS = 3_600_000;

let folder: string;
let authorities: Authorities;
let tls: HttpOptions['tls'];
let servers: Server[];
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
  tls = { cert: cert ?? ca, key: key ?? ca, ca };
  servers = [];
  server = await started();
  const { csrPem, privateKeyPem } = await createCsr();
  const own = await issueClient({ authority, csrPem, nodeId: NODE_ID, hours: 1 });
  host = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    ca,
    cert: own,
    key: privateKeyPem,
    agent: false,
  };
});
afterEach(() => {
  jest.restoreAllMocks();
  for (const each of servers) {
    each.closeAllConnections();
    each.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A server of the same installation. */
async function started(): Promise<Server> {
  const own = createServer(
    { ...secureContext(tls), requestCert: true, rejectUnauthorized: false },
    ({ socket }, response) => response.end(provenNodeId(socket, authorities) ?? 'nobody'),
  );
  servers.push(own);
  await once(own.listen(0, '127.0.0.1'), 'listening');
  return own;
}

/** Who the server says that asks, whether the session was resumed, and the next one's. */
async function asked(session?: Buffer, of = server) {
  const { port } = of.address() as AddressInfo;
  const outgoing = request({ ...host, port, ...(session && { session }) });
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

  const keys = (turn: number) =>
    ticketKeys(
      { issuing: authorities.issuing, trusted: Buffer.from(authorities.trustedPem) },
      turn,
    );

  it('goes on with it at a replica that is started otherwise, as after a restart', async () => {
    server.setTicketKeys(keys(7));
    const { session } = await asked();
    const { argv } = process;
    process.argv = [...argv, '--otherwise'];
    const other = await started();
    process.argv = argv;
    expect((await asked(session, other)).resumed).toBe(false);
    other.setTicketKeys(keys(7));
    expect(await asked(session, other)).toMatchObject({ who: NODE_ID, resumed: true });
    expect(await asked(session)).toMatchObject({ who: NODE_ID, resumed: true });
  });

  it.each<[string, () => Promise<unknown>, number]>([
    ['their time is over', () => Promise.resolve(), 8],
    ['another CA is trusted', () => authorities.begin(), 7],
    ['another CA signs', () => authorities.begin().then(() => authorities.switch()), 7],
  ])('is judged anew once %s', async (_, change, turn) => {
    server.setTicketKeys(keys(7));
    const before = keys(7);
    const { session } = await asked();
    await change();
    expect(keys(turn)).not.toEqual(before);
    server.setTicketKeys(keys(turn));
    expect((await asked(session)).resumed).toBe(false);
  });
});
