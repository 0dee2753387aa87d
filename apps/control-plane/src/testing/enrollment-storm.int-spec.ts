import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer } from './rest.js';
import { Rig } from './rig.js';
import { TestHost } from './test-host.js';

/** More than are served at once, and fewer than one address may send at once. */
const HOSTS = 180;
const ANSWERS_LATE_MS = 25;
const LONG_MS = 10 * 60_000;

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

/** Asks until it is let in, each time when it was told to; what it heard before that. */
async function heeding(host: TestHost, token: string): Promise<readonly Answer[]> {
  const refusals: Answer[] = [];
  for (;;) {
    const answer = await host.enroll(token);
    if (answer.status === 200) return refusals;
    refusals.push(answer);
    const seconds = Number(answer.headers['retry-after']);
    if (!(seconds >= 1 && seconds <= 10)) return refusals;
    await delay(seconds * 1_000);
  }
}

describe('a whole fleet that enrols at once, with an etcd that is slow', () => {
  it(
    'is told in part to come again within ten seconds, and is in at last, each host once',
    async () => {
      const made = await rig.rest.post('/v1/join-tokens', { uses: HOSTS });
      const token = String(made.body['token']);
      const hosts = Array.from({ length: HOSTS }, (_, index) => {
        return new TestHost(`h${index}`, rig.rest);
      });
      rig.etcdLink.slow(ANSWERS_LATE_MS);
      const refusals = (await Promise.all(hosts.map((host) => heeding(host, token)))).flat();
      for (const { status } of refusals) expect(status).toBe(503);
      // On a machine with other work etcd may not have answered one in time.
      const busy = refusals.filter(({ body }) => body['type'] === 'urn:hostward:problem:busy');
      expect(busy.length).toBeGreaterThan(0);
      for (const { headers } of busy)
        expect(String(headers['retry-after'])).toMatch(/^(?:[1-9]|10)$/);
      // Those who came at once do not come at once again.
      expect(new Set(busy.map(({ headers }) => headers['retry-after'])).size).toBeGreaterThan(1);
      const { body } = await rig.rest.get(`/v1/join-tokens/${String(made.body['id'])}`);
      expect(body).toMatchObject({ usesLeft: 0 });
      const listed = await rig.rest.get('/v1/nodes?limit=500');
      expect(listed.body['items']).toHaveLength(HOSTS);
    },
    LONG_MS,
  );
});
