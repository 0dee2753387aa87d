import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fastify, type FastifyInstance } from 'fastify';
import { eventually } from '../testing/eventually.js';
import { EventStreams } from './event-streams.js';

let app: FastifyInstance;
let streams: EventStreams;
let open: number;
/** Requests that wait, as for etcd, before their stream begins. */
let waiting: (() => void)[];
let served: number;
beforeEach(async () => {
  [open, served, waiting] = [0, 0, []];
  streams = new EventStreams((now) => (open = now));
  app = fastify();
  app.get('/', async (_request, reply) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    await streams.serve(reply, ({ signal }) => {
      served += 1;
      return signal.aborted ? Promise.resolve() : once(signal, 'abort').then(() => undefined);
    });
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(async () => {
  streams.end();
  await app.close();
});

/** Who asks so many times over one connection. */
async function reader(requests = 1) {
  const { port } = app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(requests));
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
});
