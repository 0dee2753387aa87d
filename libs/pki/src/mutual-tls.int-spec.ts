import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, type TlsOptions, connect, createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type KeyAndCertificate,
  createAuthority,
  createCsr,
  issueClient,
  issueServer,
} from './index.js';

const NODE_ID = 'cd'.repeat(32);
const DEADLINE_MS = 60_000;

let authority: KeyAndCertificate;
let server: KeyAndCertificate;
let client: KeyAndCertificate;

beforeAll(async () => {
  authority = await createAuthority({ name: 'hostward test CA', days: 2 });
  server = await issueServer({
    authority,
    names: ['localhost'],
    ips: ['127.0.0.1'],
    alsoClient: true,
  });
  client = await hostCredentials(authority);
});

describe('mutual TLS 1.3 between Node programs', () => {
  it('lets a host in and tells the server its node id', async () => {
    await withNodeServer(async (port, peers) => {
      expect(await talk({ port, ...asClient(client) })).toBe('TLSv1.3');
      expect(peers).toEqual([NODE_ID]);
    });
  });

  it('keeps out a host of another authority, one without a certificate, and one that shows a server certificate', async () => {
    const foreign = await hostCredentials(
      await createAuthority({ name: 'hostward test CA', days: 2 }),
    );
    const serverOnly = await issueServer({ authority, names: ['localhost'], ips: [] });
    await withNodeServer(async (port, peers) => {
      for (const bad of [
        asClient(foreign),
        { ca: authority.certificatePem },
        asClient(serverOnly),
      ]) {
        await expect(talk({ port, ...bad })).rejects.toThrow();
      }
      expect(peers).toEqual([]);
    });
  });

  it('makes a host refuse a server that shows a host certificate', async () => {
    await withNodeServer(async (port) => {
      await expect(talk({ port, ...asClient(client) })).rejects.toThrow();
    }, client);
  });
});

describe('servers of others', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hostward-pki-'));
  const running: ChildProcess[] = [];
  beforeAll(() => {
    writeFileSync(join(directory, 'ca.pem'), authority.certificatePem);
    writeFileSync(join(directory, 'server.pem'), server.certificatePem);
    writeFileSync(join(directory, 'server.key'), server.privateKeyPem, { mode: 0o600 });
  });
  afterAll(async () => {
    await Promise.all(running.map(stop));
    rmSync(directory, { recursive: true, force: true });
  });
  const file = (name: string): string => join(directory, name);
  const whereInstalled = (program: string) => (existsSync(`/usr/bin/${program}`) ? it : it.skip);

  whereInstalled('redis-server')('Redis accepts a host and answers it over TLS 1.3', async () => {
    const port = await freePort();
    const tls = ['--tls-cert-file', file('server.pem'), '--tls-key-file', file('server.key')];
    const ca = [
      '--tls-ca-cert-file',
      file('ca.pem'),
      '--tls-auth-clients',
      'yes',
      '--tls-protocols',
      'TLSv1.3',
    ];
    const where = [
      '--port',
      '0',
      '--tls-port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--save',
      '',
    ];
    running.push(spawn('/usr/bin/redis-server', [...where, ...tls, ...ca], { stdio: 'ignore' }));
    await accepting(port);
    expect(await ask({ port, ...asClient(client) }, 'PING\r\n')).toContain('+PONG');
    await expect(ask({ port, ca: authority.certificatePem }, 'PING\r\n')).rejects.toThrow();
  });

  whereInstalled('etcd')(
    'etcd accepts a host, also through its own gateway, over TLS',
    async () => {
      const [port, peerPort] = [await freePort(), await freePort()];
      const url = `https://127.0.0.1:${port}`;
      const peer = `http://127.0.0.1:${peerPort}`;
      const tls = ['--cert-file', file('server.pem'), '--key-file', file('server.key')];
      const ca = ['--client-cert-auth', '--trusted-ca-file', file('ca.pem')];
      const where = [
        '--data-dir',
        file('etcd'),
        '--listen-client-urls',
        url,
        '--advertise-client-urls',
        url,
      ];
      const peers = [
        '--listen-peer-urls',
        peer,
        '--initial-advertise-peer-urls',
        peer,
        '--initial-cluster',
        `default=${peer}`,
      ];
      running.push(
        spawn('/usr/bin/etcd', [...where, ...tls, ...ca, ...peers], { stdio: 'ignore' }),
      );
      await accepting(port);
      const request =
        'POST /v3/maintenance/status HTTP/1.0\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}';
      expect(await ask({ port, ...asClient(client) }, request)).toMatch(/^HTTP\/1\.[01] 200/);
      await expect(ask({ port, ca: authority.certificatePem }, request)).rejects.toThrow();
    },
  );
});

interface Dial {
  readonly port: number;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

function asClient(pair: KeyAndCertificate): Omit<Dial, 'port'> {
  return { ca: authority.certificatePem, cert: pair.certificatePem, key: pair.privateKeyPem };
}

async function hostCredentials(issuer: KeyAndCertificate): Promise<KeyAndCertificate> {
  const { csrPem, privateKeyPem } = await createCsr();
  return {
    certificatePem: await issueClient({ authority: issuer, csrPem, nodeId: NODE_ID }),
    privateKeyPem,
  };
}

async function withNodeServer(
  use: (port: number, peers: string[]) => Promise<void>,
  identity: KeyAndCertificate = server,
): Promise<void> {
  const peers: string[] = [];
  const options: TlsOptions = {
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  };
  const listener = createServer(options, (socket) => {
    peers.push(String(socket.getPeerCertificate().subject.CN));
    socket.on('error', () => undefined);
    socket.end(socket.getProtocol() ?? '');
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    await use((listener.address() as AddressInfo).port, peers);
  } finally {
    listener.close();
  }
}

/** What the server says until it closes; rejects on any TLS alert. */
async function talk(dial: Dial): Promise<string> {
  return ask(dial, '');
}

async function ask(dial: Dial, request: string): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', servername: 'localhost', ...dial });
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('no answer in time')));
  return new Promise((resolve, reject) => {
    let answer = '';
    socket.once('secureConnect', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('utf8');
      if (request.startsWith('PING')) socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () =>
      answer ? resolve(answer) : reject(new Error('closed without an answer')),
    );
  });
}

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Asks until the server answers a host, at most until the deadline. */
async function accepting(port: number): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ...asClient(client),
    });
    const up = await new Promise<boolean>((resolve) => {
      socket.once('secureConnect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    if (Date.now() > end) throw new Error(`nothing listens on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
