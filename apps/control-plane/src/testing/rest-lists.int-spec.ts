import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { alertBatch } from './alerts.js';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const itemsOf = <T>(body: unknown): T[] => (body as { items: T[] }).items;

describe('alerts', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await rig.host('alerting');
    await host.receives();
  });

  it('are streamed as they come and resumed where a reader stopped, by filter', async () => {
    await host.send(alertBatch('p1', 1, 3));
    await eventually(
      'stored',
      async () => itemsOf((await rig.rest.get('/v1/alerts?node=alerting')).body).length === 3,
    );
    const { lastEventId } = (await rig.rest.get('/v1/alerts')).body as unknown as {
      lastEventId: string;
    };
    const live = openStream('/v1/alerts/stream?policy=p2', lastEventId);
    await host.send(alertBatch('p1', 4, 5));
    await host.send(alertBatch('p2', 6, 7));
    await eventually('streamed', () => live.events.length === 2);
    live.close();
    const resumed = openStream('/v1/alerts/stream', live.events[0]?.id);
    await host.send(alertBatch('p2', 8, 8));
    await eventually('resumed', () => resumed.events.length === 2);
    resumed.close();
    expect(resumed.events.map(({ number }) => number)).toEqual([7, 8]);
    const one = await rig.rest.get('/v1/alerts/1000-0000000007?node=alerting');
    expect(one.body).toMatchObject({ PolicyName: 'p2', Node: 'alerting' });
  });

  it('are listed newest first in pages', async () => {
    const first = await rig.rest.get('/v1/alerts?limit=3');
    const second = await rig.rest.get(`/v1/alerts?limit=3&cursor=${String(first.body['next'])}`);
    const numbers = [first, second].flatMap(({ body }) =>
      itemsOf<{ EventID: string }>(body).map(({ EventID }) => Number(EventID.split('-')[1])),
    );
    expect(numbers).toEqual([8, 7, 6, 5, 4, 3]);
  });
});

describe('the hosts of a policy', () => {
  const declared = ['p1', 'p2', 'p3', 'p4', 'p5'];
  const vm = (name: string): string =>
    `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: {name: ${name}, labels: {paged: "yes"}}\n`;
  const page = async (query: string) => {
    const { body } = await rig.rest.get(`/v1/policies/paged/nodes?${query}`);
    const nodes = itemsOf<{ node: string }>(body).map(({ node }) => node);
    return { nodes, next: body['next'] as string | undefined };
  };

  beforeAll(async () => {
    await rig.rest.post(
      '/v1/apply',
      [...declared.map(vm), blockPolicy('paged', '/usr/bin/nc', { paged: 'yes' })].join('---\n'),
    );
  });

  it('are counted in its status, and listed in pages by name', async () => {
    expect((await rig.rest.get('/v1/policies/paged/status')).body).toMatchObject({
      selected: 5,
      stragglers: 5,
      settled: false,
      summary: [{ state: 'pending', kept: false, hosts: 5, examples: declared }],
    });
    const first = await page('limit=2');
    expect(first.nodes).toEqual(['p1', 'p2']);
    const second = await page(`limit=2&cursor=${first.next}`);
    expect(second.nodes).toEqual(['p3', 'p4']);
    const last = await page(`limit=2&cursor=${second.next}`);
    expect(last).toEqual({ nodes: ['p5'], next: undefined });
    expect(await page('limit=5')).toEqual({ nodes: declared, next: undefined });
  });

  it('are chosen by state and by name', async () => {
    expect((await page('state=pending')).nodes).toEqual(declared);
    expect((await page('state=failed,unknown')).nodes).toEqual([]);
    expect(await page('state=failed,pending&limit=1')).toMatchObject({ nodes: ['p1'] });
    expect((await page('node=p4')).nodes).toEqual(['p4']);
    expect((await page('node=stranger')).nodes).toEqual([]);
  });

  it('are refused where a state is none, with the words there are', async () => {
    const answer = await rig.rest.get('/v1/policies/paged/nodes?state=pending,lost');
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({
      errors: [
        {
          field: 'state',
          value: 'pending,lost',
          message: '"lost" is not a state',
          remedy: expect.stringContaining('enforced'),
        },
      ],
    });
    expect((await rig.rest.get('/v1/policies/nobody/nodes')).status).toBe(404);
  });
});

describe('the status of many hosts', () => {
  it('comes in pages, each status as it is asked for alone, and of those that a selector takes', async () => {
    await Promise.all(
      ['sa', 'sb', 'sc'].map((name) => rig.host(name, { of: name === 'sc' ? 'other' : 'many' })),
    );
    const first = await rig.rest.get('/v1/node-statuses?limit=1&selector=of=many');
    expect(first.body['items']).toMatchObject([{ node: 'sa' }]);
    const cursor = String(first.body['next']);
    const second = await rig.rest.get(
      `/v1/node-statuses?limit=1&selector=of=many&cursor=${cursor}`,
    );
    expect(second.body['next']).toBeUndefined();
    const alone = await rig.rest.get('/v1/nodes/sb/status');
    expect(second.body['items']).toEqual([alone.body]);
    expect((await rig.rest.get('/v1/node-statuses?selector=of%20in%20(')).status).toBe(400);
    expect((await rig.rest.get('/v1/node-statuses?selector=')).status).toBe(400);
  });
});

describe('the description of the API', () => {
  it('names every route, for generators of clients', async () => {
    const { body } = await rig.rest.get('/v1/openapi.json');
    const { paths } = body as unknown as { paths: Record<string, object> };
    for (const path of [
      '/v1/apply',
      '/v1/policies/{name}/status',
      '/v1/policies/{name}/nodes',
      '/v1/enroll',
      '/v1/alerts/stream',
      '/v1/nodes/{name}/labels',
    ])
      expect(Object.keys(paths)).toContain(path);
  });

  it('says of a list how it is searched, and of others not', async () => {
    const { body } = await rig.rest.get('/v1/openapi.json');
    const { paths } = body as unknown as {
      paths: Record<string, { get?: { parameters?: readonly { name: string }[] } }>;
    };
    const searched = Object.keys(paths).filter((path) =>
      paths[path]?.get?.parameters?.some(({ name }) => name === 'name' && !path.includes('{name}')),
    );
    expect(searched.sort()).toEqual([
      '/v1/groups',
      '/v1/node-statuses',
      '/v1/nodes',
      '/v1/policies',
      '/v1/watch/nodes',
    ]);
  });
});

interface Event {
  readonly id: string;
  readonly number: number;
}

function openStream(path: string, lastEventId: string | undefined) {
  const events: Event[] = [];
  const headers = {
    authorization: `Bearer ${rig.token}`,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  };
  const outgoing = request(
    `${rig.rest.url}${path}`,
    { headers, rejectUnauthorized: false, agent: false },
    (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const found = /^id: ([0-9a-f]{8}-\d+)\nevent: alert\ndata: (.*)$/.exec(block);
          if (!found) continue;
          const { EventID } = JSON.parse(found[2] ?? '{}') as { EventID: string };
          events.push({ id: found[1] ?? '', number: Number(EventID.split('-')[1]) });
        }
      });
      incoming.on('error', () => undefined);
    },
  );
  outgoing.on('error', () => undefined);
  outgoing.end();
  return { events, close: () => outgoing.destroy() };
}
