import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeView } from '#contracts';
import { eventually } from './eventually.js';
import { Rig, blockPolicy, group } from './rig.js';
import type { TestHost } from './test-host.js';

let rig: Rig;
let web: TestHost;
beforeAll(async () => {
  rig = await Rig.start();
  web = await rig.host('web1', { env: 'prod' });
});
afterAll(() => rig.stop());

/** What a reader of the stream was told, event by event. */
class Reader {
  readonly events: { readonly event: string; readonly data: Partial<NodeView> }[] = [];
  ended = false;
  #pending = '';
  #request: ReturnType<typeof get> | undefined;

  static async open(query = '', token = rig.token): Promise<Reader> {
    const reader = new Reader();
    const ca = readFileSync(rig.files.caFile, 'utf8');
    const headers = { authorization: `Bearer ${token}` };
    const url = `${rig.rest.url}/v1/watch/nodes${query}`;
    reader.#request = get(url, { headers, ca, agent: false }, (answer) => {
      answer.on('data', (chunk: Buffer) => reader.#take(chunk.toString('utf8')));
      answer.on('close', () => (reader.ended = true));
    });
    reader.#request.on('error', () => (reader.ended = true));
    await eventually('all are told', () => reader.count('synced') > 0);
    return reader;
  }

  count(kind: string): number {
    return this.events.filter(({ event }) => event === kind).length;
  }

  /** The newest that was told of a host. */
  of(name: string): Partial<NodeView> | undefined {
    return this.events.findLast(({ data }) => data.name === name)?.data;
  }

  names(kind: string): readonly (string | undefined)[] {
    return this.events.filter(({ event }) => event === kind).map(({ data }) => data.name);
  }

  close(): void {
    this.#request?.destroy();
  }

  #take(text: string): void {
    this.#pending += text;
    const blocks = this.#pending.split('\n\n');
    this.#pending = blocks.pop() ?? '';
    for (const block of blocks) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      if (event !== undefined)
        this.events.push({ event, data: JSON.parse(data ?? '{}') as Partial<NodeView> });
    }
  }
}

const label = (name: string, labels: Record<string, string | null>) =>
  rig.rest.call('PATCH', `/v1/nodes/${name}/labels`, { body: { labels } });
const declare = (name: string, labels: Record<string, string> = {}) =>
  rig.rest.put(`/v1/nodes/${name}`, {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorVirtualMachine',
    metadata: { name, labels },
  });

describe('a stream of hosts', () => {
  it('begins with all, then tells what changes, and who is gone', async () => {
    const reader = await Reader.open();
    expect(reader.names('node')).toEqual(['web1']);
    await declare('passing');
    await label('web1', { rack: '7' });
    await eventually('told', () => reader.of('web1')?.labels?.['rack'] === '7');
    await eventually('a new host is told', () => reader.of('passing')?.phase === 'declared');
    await rig.rest.delete('/v1/nodes/passing');
    await eventually('gone', () => reader.names('gone').includes('passing'));
    expect(reader.count('gone')).toBe(1);
    reader.close();
  });

  it('tells what only reports change, once and not with each of them', async () => {
    const reader = await Reader.open();
    expect(reader.of('web1')?.connected).toBe(false);
    await rig.rest.post('/v1/apply', blockPolicy('p', '/usr/bin/nc', { env: 'prod' }));
    await web.receives('p');
    await eventually('its policies are counted', () => reader.of('web1')?.policies === 1);
    await web.report();
    await eventually('connected', () => reader.of('web1')?.connected);
    const told = reader.count('node');
    for (let n = 0; n < 3; n += 1) {
      await web.report();
      await declare(`after-${n}`);
      await eventually('the next batch', () => reader.of(`after-${n}`) !== undefined);
    }
    expect(reader.count('node')).toBe(told + 3);
    reader.close();
  });

  it('tells of the groups of hosts, though no policy names them', async () => {
    const reader = await Reader.open();
    const groups = () => reader.of('web1')?.groups?.join();
    expect(groups()).toBe('');
    await rig.rest.post('/v1/apply', group('prods', { env: 'prod' }));
    await eventually('in it', () => groups() === 'prods');
    await rig.rest.post('/v1/apply', group('prods', { env: 'dev' }));
    await eventually('out of it', () => groups() === '');
    await rig.rest.post('/v1/apply', group('prods', { env: 'prod' }));
    await eventually('in it again', () => groups() === 'prods');
    await rig.rest.delete('/v1/groups/prods');
    await eventually('it is gone', () => groups() === '');
    reader.close();
  });

  it('tells of the end of a host that has never reported', async () => {
    await rig.host('silent');
    const reader = await Reader.open();
    expect(reader.of('silent')).toMatchObject({ phase: 'enrolled', connected: false });
    await rig.rest.post('/v1/nodes/silent/revoke', { reason: 'sold' });
    await eventually('told', () => reader.of('silent')?.phase === 'revoked');
    expect(reader.of('silent')?.revocation?.reason).toBe('sold');
    reader.close();
  });

  it('is of those hosts alone that the selector holds for, in and out', async () => {
    const reader = await Reader.open('?selector=env%3Dprod');
    expect(reader.names('node')).toEqual(['web1']);
    await declare('moving', { env: 'dev' });
    await label('moving', { env: 'prod' });
    await eventually('in', () => reader.names('node').includes('moving'));
    await label('moving', { env: 'dev' });
    await eventually('out', () => reader.names('gone').includes('moving'));
    reader.close();
  });

  it('is of those hosts alone that are named so', async () => {
    await declare('db7');
    const reader = await Reader.open('?name=d?7');
    expect(reader.names('node')).toEqual(['db7']);
    await declare('ab7');
    await declare('dc7');
    await eventually('the other one', () => reader.names('node').includes('dc7'));
    expect(reader.names('node')).toEqual(['db7', 'dc7']);
    reader.close();
  });

  it('shows a caller the hosts of its scope, and ends with its token', async () => {
    const made = await rig.rest.post('/v1/api-tokens', {
      ...{ name: 'watcher', roles: ['viewer'], selector: 'env=prod' },
    });
    const reader = await Reader.open('', String(made.body['token']));
    expect(reader.names('node')).toEqual(['web1']);
    await rig.rest.delete(`/v1/api-tokens/${String(made.body['id'])}`);
    await eventually('ended', () => reader.ended);
  });
});
