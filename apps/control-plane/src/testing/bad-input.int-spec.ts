import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Rig, blockPolicy, group } from './rig.js';
import type { Sent } from './rest.js';

/** What is waited for comes at once or, on a machine with other work, much later. */

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
  await rig.rest.post('/v1/apply', blockPolicy('there', '/usr/bin/nc', { env: 'prod' }));
  await rig.host('web1');
});
afterAll(() => rig.stop());

const policy = (over: string): string =>
  blockPolicy('p', '/usr/bin/nc', { env: 'prod' }).replace('name: p', over);
const object = (over: object): object => ({
  apiVersion: 'security.kubearmor.com/v1',
  kind: 'KubeArmorHostPolicy',
  metadata: { name: 'p' },
  spec: { nodeSelector: { matchLabels: { env: 'prod' } }, action: 'Block', ...over },
});
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

describe('hostile and broken input', () => {
  it.each<[string, string, string, number, Sent?]>([
    ['an empty body', 'POST', '/v1/apply', 400, { body: '' }],
    ['white space', 'POST', '/v1/apply', 400, { body: '  \n ' }],
    ['broken YAML', 'POST', '/v1/apply', 422, { body: 'a: [1\n b: {' }],
    ['broken JSON', 'POST', '/v1/apply', 422, { body: '{"a":', type: 'application/json' }],
    ['a number', 'POST', '/v1/apply', 422, { body: 5 }],
    ['a list of nothing', 'POST', '/v1/apply', 422, { body: [[], null] }],
    [
      'an unknown kind',
      'POST',
      '/v1/apply',
      422,
      { body: { kind: 'Pod', metadata: { name: 'x' } } },
    ],
    [
      'a policy without selector',
      'POST',
      '/v1/apply',
      422,
      { body: object({ nodeSelector: undefined }) },
    ],
    ['an unknown field', 'POST', '/v1/apply', 422, { body: object({ proces: {} }) }],
    [
      'wrong types',
      'POST',
      '/v1/apply',
      422,
      { body: object({ process: 7, file: 'x', severity: {} }) },
    ],
    [
      'a path traversal as a name',
      'POST',
      '/v1/apply',
      422,
      { body: policy('name: ../../etc/passwd') },
    ],
    ['a name with a quote', 'POST', '/v1/apply', 422, { body: policy('name: "a\\"b"') }],
    ['a name with a newline', 'POST', '/v1/apply', 422, { body: policy('name: "a\\nb"') }],
    ['a name with a NUL', 'POST', '/v1/apply', 422, { body: policy('name: "a\\0b"') }],
    [
      'a name that is too long',
      'POST',
      '/v1/apply',
      422,
      { body: policy(`name: ${'a'.repeat(300)}`) },
    ],
    [
      'a relative path',
      'POST',
      '/v1/apply',
      422,
      { body: blockPolicy('p', 'bin/nc', { env: 'prod' }) },
    ],
    [
      'a path with a NUL',
      'POST',
      '/v1/apply',
      422,
      { body: blockPolicy('p', '"/a\\0b"', { env: 'prod' }) },
    ],
    [
      'a path with a newline',
      'POST',
      '/v1/apply',
      422,
      { body: blockPolicy('p', '"/a\\nb"', { env: 'prod' }) },
    ],
    [
      'a path of 5000 bytes',
      'POST',
      '/v1/apply',
      422,
      { body: blockPolicy('p', `/${'a'.repeat(5_000)}`, { env: 'prod' }) },
    ],
    [
      'ten thousand levels of JSON',
      'POST',
      '/v1/apply',
      422,
      { body: deep(10_000), type: 'application/json' },
    ],
    ['a hundred thousand levels of YAML', 'POST', '/v1/apply', 422, { body: '- '.repeat(100_000) }],
    [
      'a bomb of anchors',
      'POST',
      '/v1/apply',
      422,
      {
        body: `a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*${i ? `b${i - 1}` : 'a'},*${i ? `b${i - 1}` : 'a'}]`).join('\n')}`,
      },
    ],
    [
      'a YAML directive',
      'POST',
      '/v1/apply',
      422,
      { body: `%YAML 1.1\n---\n${policy('name: p')}` },
    ],
    ['duplicate keys', 'POST', '/v1/apply', 422, { body: policy('name: p\n  name: q') }],
    ['more than 8 MiB', 'POST', '/v1/apply', 413, { body: 'x'.repeat(8 * 1024 * 1024 + 1) }],
    ['another media type', 'POST', '/v1/apply', 415, { body: 'x', type: 'image/png' }],
    [
      'a form',
      'POST',
      '/v1/apply',
      415,
      { body: 'a=b', type: 'application/x-www-form-urlencoded' },
    ],
    ['an unknown query', 'POST', '/v1/apply?dryrun=true', 400, { body: policy('name: p') }],
    [
      'a flag twice',
      'POST',
      '/v1/apply?dryRun=true&dryRun=false',
      400,
      { body: policy('name: p') },
    ],
    ['a flag that is none', 'POST', '/v1/apply?dryRun=yes', 400, { body: policy('name: p') }],
    ['prune without owner', 'POST', '/v1/apply?prune=true', 400, { body: policy('name: p') }],
    [
      'a selector that is none',
      'POST',
      '/v1/apply?selector=a%20b',
      400,
      { body: policy('name: p') },
    ],
    [
      'an empty selector beside every host',
      'POST',
      '/v1/apply?selector=&allHosts=true',
      400,
      { body: policy('name: p') },
    ],
    [
      'a selector beside every host',
      'POST',
      '/v1/apply?selector=env%3Dprod&allHosts=true',
      400,
      { body: policy('name: p') },
    ],
    ['an owner that is no name', 'POST', '/v1/apply?owner=../x', 400, { body: policy('name: p') }],
    ['an unknown policy', 'GET', '/v1/policies/nowhere', 404],
    ['a traversal in the path', 'GET', '/v1/policies/..%2f..%2fmeta', 400],
    ['a NUL in the path', 'GET', '/v1/policies/a%00b', 400],
    ['a percent sign that escapes nothing', 'GET', '/v1/policies/%zz', 400],
    ['an upper-case name', 'GET', '/v1/policies/There', 400],
    ['a name of 2000 letters', 'GET', `/v1/policies/${'a'.repeat(2_000)}`, 400],
    ['an unknown route', 'GET', '/v1/nothing', 404],
    ['another method', 'PATCH', '/v1/policies/there', 404, { body: {} }],
    ['a document of another name', 'PUT', '/v1/policies/there', 400, { body: policy('name: p') }],
    ['a document of another kind', 'PUT', '/v1/policies/g', 400, { body: group('g', { a: 'b' }) }],
    [
      'two documents where one is meant',
      'PUT',
      '/v1/policies/p',
      400,
      { body: `${policy('name: p')}---\n${policy('name: q')}` },
    ],
    [
      'an If-Match that is none',
      'DELETE',
      '/v1/policies/there',
      400,
      { headers: { 'if-match': 'yes' } },
    ],
    ['a limit that is none', 'GET', '/v1/policies?limit=-1', 400],
    ['a limit that is too large', 'GET', '/v1/policies?limit=100000', 400],
    ['a limit that is a list', 'GET', '/v1/policies?limit=1&limit=2', 400],
    ['a cursor that is none', 'GET', '/v1/policies?cursor=AAAA', 400],
    ['a cursor of another list', 'GET', '/v1/join-tokens?cursor=YS9i', 400],
    [
      'a version that is none',
      'POST',
      '/v1/policies/there/rollback',
      400,
      { body: { version: 'x' } },
    ],
    [
      'a version that is not there',
      'POST',
      '/v1/policies/there/rollback',
      400,
      { body: { version: 99 } },
    ],
    ['nothing to return to', 'POST', '/v1/policies/there/rollback', 409, { body: {} }],
    ['labels that are none', 'PATCH', '/v1/nodes/web1/labels', 400, { body: { labels: 'x' } }],
    [
      'a label key that is none',
      'PATCH',
      '/v1/nodes/web1/labels',
      400,
      { body: { labels: { '../x': 'y' } } },
    ],
    [
      'a label value that is none',
      'PATCH',
      '/v1/nodes/web1/labels',
      400,
      { body: { labels: { a: { b: 1 } } } },
    ],
    [
      'a prototype',
      'PATCH',
      '/v1/nodes/web1/labels',
      400,
      { body: '{"labels":{"__proto__":{"x":1}}}' },
    ],
    [
      'an unknown field in a body',
      'POST',
      '/v1/join-tokens',
      400,
      { body: { uses: 1, admin: true } },
    ],
    ['a number that is text', 'POST', '/v1/join-tokens', 400, { body: { uses: 'many' } }],
    ['a number that is not finite', 'POST', '/v1/join-tokens', 400, { body: '{"uses": 1e999}' }],
    ['a body that is a list', 'POST', '/v1/join-tokens', 400, { body: [] }],
    [
      'a suspension of nobody',
      'POST',
      '/v1/suspensions',
      400,
      { body: { target: {}, mode: 'off', until: '2999-01-01T00:00:00Z', reason: 'x' } },
    ],
    [
      'a suspension of two',
      'POST',
      '/v1/suspensions',
      400,
      {
        body: {
          target: { all: true, node: 'web1' },
          mode: 'off',
          until: '2999-01-01T00:00:00Z',
          reason: 'x',
        },
      },
    ],
    [
      'a suspension without end',
      'POST',
      '/v1/suspensions',
      400,
      { body: { target: { all: true }, mode: 'off', reason: 'x' } },
    ],
    [
      'a suspension for half a character',
      'POST',
      '/v1/suspensions',
      400,
      {
        body: {
          target: { all: true },
          mode: 'off',
          until: new Date(Date.now() + 3_600_000).toISOString(),
          reason: '\ud800',
        },
      },
    ],
    [
      'an exception for half a character',
      'POST',
      '/v1/exceptions',
      400,
      {
        body: {
          policy: 'there',
          selector: 'env=prod',
          until: new Date(Date.now() + 3_600_000).toISOString(),
          reason: '\udc00',
        },
      },
    ],
    ['a revocation for null', 'POST', '/v1/nodes/web1/revoke', 400, { body: { reason: null } }],
    [
      'a revocation for half a character',
      'POST',
      '/v1/nodes/web1/revoke',
      400,
      { body: { reason: 'x\ud800' } },
    ],
    [
      'a suspension for a century',
      'POST',
      '/v1/suspensions',
      400,
      { body: { target: { all: true }, mode: 'off', until: '2999-01-01T00:00:00Z', reason: 'x' } },
    ],
    [
      'a suspension in the past',
      'POST',
      '/v1/suspensions',
      400,
      { body: { target: { all: true }, mode: 'off', until: '2001-01-01T00:00:00Z', reason: 'x' } },
    ],
    [
      'a suspension of an unknown host',
      'POST',
      '/v1/suspensions',
      404,
      {
        body: {
          target: { node: 'nowhere' },
          mode: 'off',
          until: new Date(Date.now() + 3_600_000).toISOString(),
          reason: 'x',
        },
      },
    ],
    ['an enrolment of nothing', 'POST', '/v1/enroll', 400, { body: {} }],
    [
      'a stream from nowhere',
      'GET',
      '/v1/alerts/stream',
      400,
      { headers: { 'last-event-id': 'x' } },
    ],
    ['a selection that is none', 'GET', '/v1/watch/nodes?selector=a%20b', 400],
    ['an empty selection of what is watched', 'GET', '/v1/watch/nodes?selector=', 400],
    ['an empty selection', 'GET', '/v1/nodes?selector=', 400],
    ['an empty name to search', 'GET', '/v1/nodes?name=', 400],
    ['a name to search that none can have', 'GET', '/v1/policies?name=%5Ba-z%5D', 400],
    ['two names to search', 'GET', '/v1/groups?name=a&name=b', 400],
    ['a name that none can have to watch', 'GET', '/v1/watch/nodes?name=A*', 400],
    ['labels of what has none', 'GET', '/v1/exceptions?selector=a', 400],
    ['labels of suspensions', 'GET', '/v1/suspensions?selector=a', 400],
    ['a name of join tokens', 'GET', '/v1/join-tokens?name=a', 400],
    ['a time that is none', 'GET', '/v1/alerts?since=yesterday', 400],
    ['an unknown event', 'GET', '/v1/alerts/1-1', 404],
    ['an explanation of nothing', 'GET', '/v1/nodes/web1/explain', 400],
  ])('%s is the caller’s mistake', async (_title, method, path, status, sent = {}) => {
    const answer = await rig.rest.call(method, path, sent);
    expect([answer.status, answer.text.slice(0, 300)]).toEqual([status, expect.anything()]);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.body).toMatchObject({
      status,
      type: expect.stringContaining('urn:hostward:problem:'),
    });
  });

  it('takes a body that is no UTF-8 for what it is', async () => {
    const latin = { body: undefined, type: 'application/yaml' };
    const answer = await raw(
      `POST /v1/apply HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${rig.token}\r\ncontent-type: ${latin.type}\r\ncontent-length: 3\r\nconnection: close\r\n\r\na\xff\xfe`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('answers what is no HTTP with 400 and goes on', async () => {
    expect(await raw('\x00\x01\x02 nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect((await rig.rest.get('/healthz')).status).toBe(200);
  });

  it('has written nothing of all that', async () => {
    const { items } = (await rig.rest.get('/v1/policies')).body as unknown as {
      items: { name: string }[];
    };
    expect(items.map(({ name }) => name)).toEqual(['there']);
    expect((await rig.rest.get('/v1/suspensions')).body['items']).toEqual([]);
    expect(rig.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });
});

describe('without a token', () => {
  const routes = [
    ['GET', '/v1/policies'],
    ['POST', '/v1/apply'],
    ['GET', '/v1/nodes/web1'],
    ['DELETE', '/v1/nodes/web1'],
    ['GET', '/v1/alerts'],
    ['GET', '/v1/alerts/stream'],
    ['GET', '/v1/watch/nodes'],
    ['POST', '/v1/suspensions'],
    ['GET', '/v1/audit-log'],
    ['GET', '/metrics'],
  ] as const;

  it.each(routes)('%s %s is refused, and so it is with a wrong one', async (method, path) => {
    for (const token of [null, 'wrong', `hwa_${'A'.repeat(43)}`, 'x'.repeat(10_000)])
      for (const body of [undefined, {}]) {
        const answer = await rig.rest.call(method, path, { token, body });
        expect(answer.status).toBe(401);
        expect(answer.headers['www-authenticate']).toContain('Bearer');
        expect(answer.headers['content-type']).toContain('application/problem+json');
        expect(answer.body['type']).toBe('urn:hostward:problem:not-authenticated');
      }
  });

  it.each(['/healthz', '/readyz', '/v1/openapi.json'])('%s is open to all', async (path) => {
    expect((await rig.rest.get(path, { token: null })).status).toBe(200);
  });
});

/** Sends bytes as they are and reads the answer. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(rig.rest.url);
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: hostname, port: Number(port), rejectUnauthorized: false },
      () => {
        socket.write(Buffer.from(text, 'latin1'));
      },
    );
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.setTimeout(60_000, () => socket.destroy(new Error('no answer')));
  });
}
