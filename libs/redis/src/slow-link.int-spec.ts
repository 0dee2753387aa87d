import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { LinkProxy, makeTestCertificates, type RedisServer, startRedis } from '#testing';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisUnavailable } from './errors.js';
import { HostLink } from './host-link.js';
import { connectRedis, type RedisConnection } from './redis.connection.js';

const NODE = 'a1';
const SILENCE_MS = 1_000;
/** Of an answer that would fail by its own deadline the tests would hear too late. */
const FAR_OFF_MS = 120_000;
const BUNDLE = randomBytes(1024 * 1024);
const DIGEST = createHash('sha256').update(BUNDLE).digest('hex');
/** The bundle takes three times as long as may be silent. */
const BYTES_PER_SECOND = BUNDLE.length / 3;

let server: RedisServer;
let link: LinkProxy;
let connection: RedisConnection;
let host: HostLink;

beforeEach(async () => {
  const tls = await makeTestCertificates();
  server = await startRedis({ tls });
  link = await LinkProxy.start(server.port);
  const control = connectRedis({ port: server.port, tls });
  await control.run('a bundle', (client) => client.set(redisKeys.bundle(DIGEST), BUNDLE));
  control.close();
  connection = connectRedis({
    ...{ port: link.port, tls, maxBackoffMs: 100 },
    ...{ commandTimeoutMs: SILENCE_MS, answerTimeoutMs: FAR_OFF_MS },
  });
  host = new HostLink(connection, NODE);
  await host.fetchRecord();
});

afterEach(async () => {
  server.signal('SIGCONT');
  connection.close();
  await link.stop();
  await server.stop();
});

it('takes a bundle for as long as more of it comes, and what is asked for behind it', async () => {
  link.throttle(BYTES_PER_SECOND);
  const began = performance.now();
  const [bundle] = await Promise.all([
    host.fetchBundle(DIGEST),
    host.writeState(Buffer.from('a report')),
  ]);
  expect(performance.now() - began).toBeGreaterThan(2 * SILENCE_MS);
  expect(bundle?.equals(BUNDLE)).toBe(true);
  expect(connection.counters).toMatchObject({ connects: 1, failures: 0 });
});

it('takes its time to send a large report, beside which nudges come', async () => {
  link.throttleUploads(BYTES_PER_SECOND);
  const began = performance.now();
  const written = host.writeState(BUNDLE);
  const [stated, record] = await Promise.all([written, host.fetchRecord()]);
  expect(performance.now() - began).toBeGreaterThan(2 * SILENCE_MS);
  expect([stated, record]).toEqual([false, undefined]);
  expect(connection.counters).toMatchObject({ connects: 1, failures: 0 });
});

it('fails as soon as before once a large report is sent', async () => {
  await host.writeState(BUNDLE);
  server.signal('SIGSTOP');
  await expectSilence(failureOf(host.fetchRecord()));
});

it('fails soon where nothing more of a bundle comes, and says why', async () => {
  link.throttle(BYTES_PER_SECOND);
  const failure = failureOf(host.fetchBundle(DIGEST));
  await sleep(1.5 * SILENCE_MS);
  link.stall();
  await expectSilence(failure);
});

it('fails soon where Redis hangs, and says why', async () => {
  server.signal('SIGSTOP');
  await expectSilence(failureOf(host.fetchBundle(DIGEST)));
});

/** At once, so that one that comes early is no unhandled rejection. */
function failureOf(answer: Promise<unknown>): Promise<unknown> {
  return answer.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function expectSilence(failure: Promise<unknown>): Promise<void> {
  const began = performance.now();
  const error = await failure;
  expect(error).toBeInstanceOf(RedisUnavailable);
  expect(String(error)).toMatch(/didn't receive any in 1000ms/);
  expect(performance.now() - began).toBeLessThan(FAR_OFF_MS / 4);
}
