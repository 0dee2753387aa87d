import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fastify, type FastifyInstance } from 'fastify';
import { eventually } from '../testing/eventually.js';
import { EventStreams, type EventStream } from './event-streams.js';

let app: FastifyInstance;
let streams: EventStreams;
let open: number;
/** Requests that wait, as for etcd, before their stream begins. */
let waiting: (() => void)[];
let served: number;
/** What is written to each reader. */
let follow: (stream: EventStream) => Promise<void>;

const STALLED_MS = 500;

beforeEach(async () => {
  [open, served, waiting] = [0, 0, []];
  follow = async ({ signal, write }) => {
    await write('begun');
    if (!signal.aborted) await once(signal, 'abort');
  };
  streams = new EventStreams((now) => (open = now), STALLED_MS);
  app = fastify();
  app.get('/', async (request, reply) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    const { who } = request.query as { who?: string };
    await streams.serve(reply, who ?? 'somebody', (stream) => {
      served += 1;
      return follow(stream);
    });
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(async () => {
  streams.end();
  await app.close();
});

/** Who asks so many times over one connection. */
async function reader(requests = 1, path = '/') {
  const { port } = app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(requests));
  await eventually('the requests are there', () => waiting.length === requests);
  return socket;
}

const connections = () =>
  new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)));

describe('a stream of events', () => {
  it('gives its place back when its reader goes away', async () => {
    const socket = await reader();
    waiting.pop()?.();
    await eventually('it is open', () => open === 1);
    socket.destroy();
    await eventually('it has ended', () => open === 0);
  });

  it('takes no place for a reader that is gone before it begins', async () => {
    const socket = await reader();
    socket.destroy();
    await eventually('we know that it is gone', async () => (await connections()) === 0);
    waiting.pop()?.();
    await eventually('it has ended', () => served === 1 && open === 0, 5_000);
    expect(waiting).toEqual([]);
  });

  it('takes none for one that waited behind another of the same connection', async () => {
    const socket = await reader(2);
    for (const go of waiting) go();
    await eventually('both are open', () => open === 2);
    socket.destroy();
    await eventually('both have ended', () => open === 0, 5_000);
  });

  /** More than what lies between a writer and a reader holds. */
  const flood = 'x'.repeat(64 * 1024 * 1024);

  it('cuts off a reader that does not read, and gives its place back', async () => {
    follow = async ({ signal, write }) => {
      while (!signal.aborted) await write(flood);
    };
    const socket = await reader();
    socket.pause();
    waiting.pop()?.();
    await eventually('it is open', () => open === 1);
    await eventually('it has ended', () => open === 0, 20_000);
    await eventually('it is cut off', async () => (await connections()) === 0, 20_000);
  });

  it('leaves no connection to a reader that does not read what was written last', async () => {
    follow = ({ write }) => {
      void write(flood);
      return Promise.resolve();
    };
    const socket = await reader();
    socket.pause();
    waiting.pop()?.();
    await eventually('it has ended', () => served === 1 && open === 0, 20_000);
    await eventually('it is cut off', async () => (await connections()) === 0, 20_000);
  });

  it('goes on for a reader that reads, though it began late', async () => {
    follow = async ({ signal, write }) => {
      await write('x'.repeat(1024 * 1024));
      await write('the end');
      await once(signal, 'abort');
    };
    const socket = await reader();
    let last = '';
    setTimeout(() => socket.on('data', (part: Buffer) => (last = part.toString().slice(-20))), 50);
    waiting.pop()?.();
    await eventually('all was read', () => last.includes('the end'), 20_000);
    expect(open).toBe(1);
  });

  it('is refused to who has twenty, and not to others', async () => {
    const status = async (path: string): Promise<string> => {
      const socket = await reader(1, path);
      waiting.pop()?.();
      const [part] = (await once(socket, 'data')) as [Buffer];
      return part.toString().split(' ')[1] ?? '';
    };
    for (let at = 0; at < 20; at += 1) expect(await status('/?who=one')).toBe('200');
    expect(await status('/?who=one')).toBe('429');
    expect(await status('/?who=other')).toBe('200');
    expect(open).toBe(21);
  });
});
