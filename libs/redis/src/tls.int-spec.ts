import { describe, expect, it } from '@jest/globals';
import { makeTestCertificates, startRedis } from '#testing';
import { RedisUnavailable } from './errors.js';
import { HostLink } from './host-link.js';
import { connectRedis } from './redis.connection.js';
import { eventually } from './testing/eventually.js';
import { TlsSession } from './tls-session.js';

const NODE = 'a1';

describe('libs/redis on a Redis with TLS', () => {
  it('connects with the right authority and a client certificate', async () => {
    const tls = await makeTestCertificates();
    const server = await startRedis({ tls });
    const connection = connectRedis({ port: server.port, tls });
    const other = await makeTestCertificates();
    const wrong = connectRedis({ port: server.port, tls: other, commandTimeoutMs: 500 });
    try {
      const host = new HostLink(connection, NODE);
      await host.writeState(Buffer.from('s'));
      expect(await host.fetchRecord()).toBeUndefined();
      await expect(new HostLink(wrong, NODE).fetchRecord()).rejects.toThrow(RedisUnavailable);
    } finally {
      connection.close();
      wrong.close();
      await server.stop();
    }
  });

  it('goes on with the TLS session of a connection before it, where both are told to', async () => {
    const tls = await makeTestCertificates();
    const server = await startRedis({ tls, config: ['tls-auth-clients optional'] });
    const session = new TlsSession();
    const resumed = async (trusted: string): Promise<number> => {
      const options = { port: server.port, tls: { ca: tls.ca }, trusted: () => trusted, session };
      const connection = connectRedis(options);
      await connection.run('a ping', (client) => client.ping());
      connection.close();
      return connection.counters.resumed;
    };
    try {
      const [ca, other] = [tls, await makeTestCertificates()].map((each) => each.ca.toString());
      expect(await resumed(`${ca}`)).toBe(0);
      expect(await resumed(`${ca}`)).toBe(1);
      expect(await resumed(`${ca}\n${other}`)).toBe(0);
      expect(await resumed(`${ca}\n${other}`)).toBe(1);
    } finally {
      await server.stop();
    }
  });

  it('goes on with its TLS session where it comes back, unless other authorities are trusted by then', async () => {
    const tls = await makeTestCertificates();
    const other = await makeTestCertificates();
    const server = await startRedis({ tls });
    let trusted = tls.ca.toString();
    const connection = connectRedis({
      ...{ port: server.port, tls, maxBackoffMs: 100 },
      trusted: () => trusted,
    });
    const again = async (connects: number) => {
      // The session comes behind the handshake, before the first answer.
      await connection.run('a ping', (client) => client.ping());
      connection.reconnect();
      await eventually('connected again', () => connection.counters.connects === connects);
      await connection.run('a ping', (client) => client.ping());
    };
    try {
      await again(2);
      expect(connection.counters.resumed).toBe(1);
      trusted = `${trusted}\n${other.ca.toString()}`;
      await again(3);
      expect(connection.counters.resumed).toBe(1);
      await again(4);
      expect(connection.counters.resumed).toBe(2);
      // Another run of Redis knows none of its sessions.
      await server.halt();
      await server.restart();
      await eventually('connected again', () => connection.counters.connects === 5);
      await connection.run('a ping', (client) => client.ping());
      expect(connection.counters.resumed).toBe(2);
    } finally {
      connection.close();
      await server.stop();
    }
  });
});
