import { afterEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LinkProxy } from './link-proxy.js';
import { startRedis } from './redis-server.js';
import { claimOf, freePort } from './free-port.js';

/** One answer of a server to one line. */
function ask(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(line));
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

describe('a server for tests', () => {
  it('comes back on its port after a restart, and leaves nothing when stopped', async () => {
    const redis = await startRedis();
    const first = redis.pid;
    expect(await ask(redis.port, 'PING\r\n')).toBe('+PONG\r\n');
    await redis.kill9();
    await expect(ask(redis.port, 'PING\r\n')).rejects.toThrow();
    await redis.restart();
    expect(await ask(redis.port, 'PING\r\n')).toBe('+PONG\r\n');
    const second = redis.pid;
    await redis.stop();
    for (const pid of [first, second]) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });

  it('removes the directory of a test process that was killed', async () => {
    // Above any process id that Linux gives out.
    const orphan = join(tmpdir(), `hw-server-redis-${2 ** 22 + 1}-x`);
    mkdirSync(orphan, { recursive: true });
    const redis = await startRedis();
    await redis.stop();
    expect(existsSync(orphan)).toBe(false);
  });
});

describe('a port for a server', () => {
  it('is given once, also by other processes, though nothing listens on it yet', async () => {
    const mine = await Promise.all(Array.from({ length: 50 }, () => freePort()));
    expect(new Set(mine).size).toBe(mine.length);
    const [port = 0] = mine;
    const other = `require('node:net').createServer().listen(${JSON.stringify(claimOf(port))})`;
    await expect(promisify(execFile)(execPath, ['-e', other])).rejects.toThrow(/EADDRINUSE/);
  });
});

describe('the link', () => {
  let echo: Server | undefined;
  let link: LinkProxy | undefined;
  let client: Socket | undefined;

  afterEach(async () => {
    client?.destroy();
    await link?.stop();
    echo?.close();
  });

  async function open(): Promise<LinkProxy> {
    const port = await freePort();
    echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await new Promise<void>((resolve) => echo?.listen(port, '127.0.0.1', resolve));
    link = await LinkProxy.start(port);
    return link;
  }

  it('carries, refuses while cut, and carries again', async () => {
    const proxy = await open();
    expect(await ask(proxy.port, 'a')).toBe('a');
    proxy.cut();
    await expect(ask(proxy.port, 'b')).rejects.toThrow();
    proxy.restore();
    expect(await ask(proxy.port, 'c')).toBe('c');
  });

  it('keeps what was sent while it was stalled and delivers it afterwards', async () => {
    const proxy = await open();
    proxy.stall();
    const answer = ask(proxy.port, 'late');
    const early = await Promise.race([answer, new Promise((resolve) => setImmediate(resolve))]);
    expect(early).toBeUndefined();
    proxy.restore();
    expect(await answer).toBe('late');
  });

  it('carries what is sent while answers are stalled, and they come afterwards', async () => {
    const proxy = await open();
    const heard = new Promise((resolve) =>
      echo?.once('connection', (socket) => socket.once('data', resolve)),
    );
    proxy.stallAnswers();
    const answer = ask(proxy.port, 'late');
    await heard;
    const early = await Promise.race([answer, delay(50)]);
    expect(early).toBeUndefined();
    proxy.restore();
    expect(await answer).toBe('late');
  });

  it('lets a client read slowly, which who answers feels, and keeps every byte in its order', async () => {
    const port = await freePort();
    const sent = Buffer.alloc(64 * 1024 ** 2, 'a link that is slow has all of it. ');
    let hasWritten = false;
    echo = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(sent, () => (hasWritten = true));
    });
    await new Promise<void>((resolve) => echo?.listen(port, '127.0.0.1', resolve));
    link = await LinkProxy.start(port);
    link.throttle(1_000);
    const received: Buffer[] = [];
    client = connect(link.port, '127.0.0.1').on('data', (bytes: Buffer) => received.push(bytes));
    while (received.length < 5) await once(client, 'data');
    expect(Buffer.concat(received).length).toBeLessThan(10_000);
    expect(hasWritten).toBe(false);
    link.restore();
    while (client.bytesRead < sent.length) await once(client, 'data');
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  }, 60_000);

  /** A server that does this with each connection; a side that ends can still be written to. */
  async function openTo(serve: (socket: Socket) => void): Promise<LinkProxy> {
    const port = await freePort();
    echo = createServer({ allowHalfOpen: true }, (socket) =>
      serve(socket.on('error', () => undefined)),
    );
    await new Promise<void>((resolve) => echo?.listen(port, '127.0.0.1', resolve));
    link = await LinkProxy.start(port);
    return link;
  }

  function dial({ port }: LinkProxy): Socket {
    client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    return client.on('error', () => undefined);
  }

  async function allOf(socket: Socket): Promise<Buffer> {
    const received: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => received.push(bytes));
    await new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
    return Buffer.concat(received);
  }

  it('keeps what came while it was slow before what comes when it is so no more', async () => {
    const proxy = await openTo((socket) => socket.pipe(socket));
    const carried = proxy.record();
    proxy.slow(500);
    const socket = dial(proxy);
    socket.write('first, ');
    while (carried[0]?.toClient.length !== 1) await delay(5);
    proxy.restore();
    socket.write('then this');
    let received = '';
    socket.on('data', (bytes) => (received += bytes.toString()));
    while (received.length < 16) await once(socket, 'data');
    expect(received).toBe('first, then this');
  });

  it('carries the end of one side, and answers to it', async () => {
    const proxy = await openTo((socket) => {
      void allOf(socket).then((asked) => socket.end(`${asked.toString()}: answered`));
    });
    const socket = dial(proxy);
    socket.end('all that is asked');
    expect((await allOf(socket)).toString()).toBe('all that is asked: answered');
    while (proxy.connections > 0) await delay(5);
  });

  it('carries the last bytes of who ends the connection, however late they come', async () => {
    const proxy = await openTo((socket) => socket.end('last words'));
    proxy.slow(100);
    expect((await allOf(dial(proxy).end())).toString()).toBe('last words');
  });

  it('carries all to a client that reads slowly, though who answered has gone', async () => {
    const sent = Buffer.alloc(16 * 1024 ** 2, 'all of it comes, and in its order. ');
    const proxy = await openTo((socket) => socket.end(sent));
    const socket = dial(proxy);
    socket.end();
    const received: Buffer[] = [];
    for await (const bytes of socket) {
      received.push(bytes as Buffer);
      await delay(1);
    }
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  }, 60_000);

  it('resets a client that takes nothing without waiting for it', async () => {
    const proxy = await openTo((socket) => socket.write(Buffer.alloc(64 * 1024 ** 2)));
    const carried = proxy.record();
    dial(proxy).pause();
    while ((carried[0]?.toClient.length ?? 0) < 10) await delay(5);
    proxy.cut();
    while (proxy.connections > 0) await delay(5);
  });

  it('lets what came before a cut arrive, though the link is slow', async () => {
    const proxy = await openTo((socket) => socket.pipe(socket));
    const carried = proxy.record();
    proxy.slow(500);
    proxy.cutAfterBytes(5);
    const socket = dial(proxy);
    socket.write('12345');
    while (carried[0]?.toClient.length !== 1) await delay(5);
    socket.end('67890');
    expect((await allOf(socket)).toString()).toBe('12345');
  });

  it('lets what came before the cut arrive and nothing after it', async () => {
    const proxy = await open();
    proxy.cutAfterBytes(5);
    const received: string[] = [];
    client = connect(proxy.port, '127.0.0.1');
    client.on('data', (bytes) => {
      received.push(bytes.toString());
      client?.write('67890');
    });
    client.write('12345');
    await new Promise((resolve) => client?.on('error', () => undefined).on('close', resolve));
    expect(received.join('')).toBe('12345');
    expect(proxy.connections).toBe(0);
  });
});
