import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeTestCertificates } from '#testing';
import { ControlPlane } from './control-plane.js';

const PROBLEM = 'urn:hostward:problem:';
type Refusal = readonly [status: number, kind: string, retryAfter?: string];

describe('the REST client, where the control plane has too much to do', () => {
  let server: Server;
  let client: ControlPlane;
  let refusals: Refusal[];
  let heard: string[];
  let told: number[];

  beforeEach(async () => {
    [refusals, heard, told] = [[], [], []];
    const { ca, ...own } = await makeTestCertificates();
    server = createServer(own, (request, response) => {
      heard.push(`${request.method} ${request.url}`);
      const [status, kind, retryAfter] = refusals.shift() ?? [200, ''];
      if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
      response.writeHead(status, { 'content-type': 'application/json' });
      const answer = kind === '' ? { done: true } : { type: PROBLEM + kind, title: kind, status };
      request.resume().on('end', () => response.end(JSON.stringify(answer)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const context = { url: `https://127.0.0.1:${port}`, ca, token: 'secret' };
    client = new ControlPlane(context, { busy: (_why, waitMs) => told.push(waitMs) });
  });
  afterEach(async () => {
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each<Refusal>([
    [429, 'too-many-requests', '0'],
    [503, 'busy', '0'],
  ])('says again what was not begun, a change too: %s %s', async (...refusal) => {
    refusals = [refusal, refusal];
    const call = { method: 'POST', body: 'kind: List\n' } as const;
    expect(await client.call('/v1/apply', call)).toEqual({ done: true });
    expect(heard).toEqual(Array(3).fill('POST /v1/apply'));
    expect(told).toHaveLength(2);
  });

  it.each<Refusal>([
    [503, 'unavailable', '0'],
    [503, 'busy'],
    [503, 'busy', 'Wed, 02 Dec 2026 00:00:00 GMT'],
    [429, 'too-many-requests', '61'],
    [429, 'too-many-attempts', '0'],
    [500, 'internal', '0'],
  ])(
    'says nothing again that may have been begun, or not so late: %s %s %s',
    async (...refusal) => {
      refusals = [refusal];
      await expect(client.call('/v1/apply', { method: 'POST' })).rejects.toThrow(refusal[1]);
      expect(heard).toHaveLength(1);
      expect(told).toEqual([]);
    },
  );

  it('gives the answer up that does not come within the patience of a call', async () => {
    refusals = Array<Refusal>(9).fill([503, 'busy', '1']);
    const call = { patienceMs: 2_500 };
    expect(await client.answer('/v1/nodes', call)).toMatchObject({ status: 503, retryAfter: '1' });
    expect([1, 2, 3]).toContain(heard.length);
  });
});
