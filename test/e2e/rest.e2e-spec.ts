import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connect } from 'node:tls';
import type { Rest, Answer } from '../../apps/control-plane/src/testing/rest.js';
import { eventually } from './support/eventually.js';
import { isAlive } from './support/processes.js';
import { blockProgram } from './support/policies.js';
import { Product } from './support/product.js';

const MINUTE = 60_000;
jest.setTimeout(2 * MINUTE);
const ALL = { 'hostward.io/all-hosts': 'true' };

let product: Product;
let rest: Rest;
let pids: Readonly<Record<string, number>>;

/** What callers can do wrong through the whole product; each answer of each route alone is in bad-input.int-spec.ts. */
beforeAll(async () => {
  product = await Product.up({ localAgent: true });
  rest = await product.rest();
  pids = (await product.record()).children;
  await product.apply(blockProgram('there', '/usr/bin/nc', { env: 'prod' }));
}, 3 * MINUTE);
afterAll(() => product?.down(), MINUTE);

/** Nothing may be the control plane's own failure, and every refusal is a problem document. */
function expectRefusal(answer: Answer, what: string): void {
  expect({ what, status: answer.status }).toEqual({ what, status: expect.any(Number) });
  expect([what, answer.status >= 400 && answer.status < 500]).toEqual([what, true]);
  expect([what, answer.headers['content-type']]).toEqual([
    what,
    expect.stringContaining('application/problem+json'),
  ]);
  expect(answer.body).toMatchObject({ status: answer.status, title: expect.any(String) });
}

describe('hostile names', () => {
  const names = [
    '../../../etc/passwd',
    '..%2f..%2fmeta',
    'a/b',
    'a\\b',
    "a'; DROP TABLE alerts; --",
    'a"b',
    'a\nb',
    'a\r\nx-injected: 1',
    'a\0b',
    '$(reboot)',
    '`reboot`',
    '${jndi:ldap://x}',
    '__proto__',
    'constructor.',
    '\u202egnp.exe',
    'a\ufeffb',
    'ПРИВЕТ',
    '%00',
    '%',
    '*',
    '.',
    ' ',
    'A',
    'a'.repeat(254),
    'a'.repeat(4_096),
  ];
  const routes: [string, string][] = [
    ['GET', '/v1/policies/@'],
    ['DELETE', '/v1/policies/@'],
    ['PUT', '/v1/policies/@'],
    ['GET', '/v1/policies/@/status'],
    ['GET', '/v1/policies/@/nodes'],
    ['GET', '/v1/policies/@/remains'],
    ['GET', '/v1/policies/x/nodes?state=@'],
    ['GET', '/v1/policies/x/nodes?node=@'],
    ['GET', '/v1/policies/@/history'],
    ['POST', '/v1/policies/@/rollback'],
    ['POST', '/v1/policies/@/pause'],
    ['GET', '/v1/nodes/@'],
    ['DELETE', '/v1/nodes/@'],
    ['PATCH', '/v1/nodes/@/labels'],
    ['GET', '/v1/nodes/@/status'],
    ['GET', '/v1/nodes/@/policies'],
    ['GET', '/v1/nodes/x/explain?policy=@'],
    ['GET', '/v1/groups/@'],
    ['GET', '/v1/groups/@/members'],
    ['DELETE', '/v1/groups/@'],
    ['GET', '/v1/join-tokens/@'],
    ['DELETE', '/v1/join-tokens/@'],
    ['DELETE', '/v1/suspensions/@'],
    ['DELETE', '/v1/exceptions/@'],
    ['GET', '/v1/alerts/@'],
    ['GET', '/v1/alerts?node=@'],
    ['GET', '/v1/nodes?selector=@'],
    ['GET', '/v1/nodes?name=@'],
    ['GET', '/v1/policies?cursor=@'],
    ['GET', '/v1/policies?limit=@'],
  ];

  it.each(routes)(
    'in %s %s are refused',
    async (method, template) => {
      for (const name of names) {
        const path = template.replace('@', encodeURIComponent(name));
        const body = method === 'GET' || method === 'DELETE' ? undefined : {};
        // A selector may be a mere key, and any printable text is a place in a list: those are answered.
        const answer = await rest.call(method, path, { body });
        if (answer.status === 200)
          expect([name, answer.body['items']]).toEqual([name, expect.any(Array)]);
        else expectRefusal(answer, `${method} ${path.slice(0, 60)}`);
        expect(answer.headers['x-injected']).toBeUndefined();
      }
    },
    5 * MINUTE,
  );

  it(
    'in documents are refused, of every kind',
    async () => {
      for (const kind of ['KubeArmorHostPolicy', 'KubeArmorVirtualMachine', 'Group']) {
        const apiVersion = kind === 'Group' ? 'hostward.io/v1' : 'security.kubearmor.com/v1';
        const spec =
          kind === 'Group'
            ? { selector: { matchLabels: { a: 'b' } } }
            : {
                nodeSelector: { matchLabels: { a: 'b' } },
                action: 'Block',
                process: { matchPaths: [{ path: '/x' }] },
              };
        // A capital letter is corrected, with a warning.
        for (const name of names.filter((each) => each !== 'A')) {
          const document = {
            apiVersion,
            kind,
            metadata: { name },
            ...(kind === 'KubeArmorVirtualMachine' ? {} : { spec }),
          };
          expectRefusal(await rest.post('/v1/apply', document), `${kind} ${name.slice(0, 30)}`);
        }
      }
    },
    5 * MINUTE,
  );
});

describe('rules that are hostile to hosts', () => {
  const paths = [
    `/${'a'.repeat(4_094)}`,
    `/${'d/'.repeat(2_000)}x`,
    '/usr/bin/"quoted" {braces} [brackets] $dollar `tick`',
    "/usr/bin/it's",
    '/usr/bin/with space and \\ and # and , and ^',
    '/usr/bin/@{PROC}/x',
    '/usr/bin/\u202egnp',
    '/usr/bin/日本語',
    '/../../../etc/passwd',
    '/usr//bin/./x',
    '/proc/self/root/etc/shadow',
  ];
  const patterns = [
    `/**${'/**'.repeat(200)}`,
    `/${'*a'.repeat(1_000)}`,
    `/{${'a,'.repeat(2_000)}a}`,
    `/${'{a,b}'.repeat(40)}`,
    `/${'[a-z]'.repeat(500)}`,
    '/[',
    '/{a,{b,{c',
    '/a]b}',
    '/[!]',
    `/${'?'.repeat(4_000)}`,
  ];

  it(
    'are taken or refused with words, and no process of the product dies of them',
    async () => {
      const policies = [
        ...paths.map((path, i) => policyOf(`path-${i}`, { matchPaths: [{ path }] })),
        ...patterns.map((pattern, i) => policyOf(`pattern-${i}`, { matchPatterns: [{ pattern }] })),
      ];
      const taken: string[] = [];
      for (const policy of policies) {
        const answer = await rest.post('/v1/apply', policy);
        if (answer.status === 200) taken.push(policy.metadata.name);
        else expectRefusal(answer, policy.metadata.name);
      }
      expect(taken).toContain('path-0');
      // What was taken reaches this machine's agent, which says for every rule what it does with it.
      for (const name of taken)
        await eventually(`an answer about ${name}`, MINUTE, async () => {
          const { body } = await rest.get(`/v1/policies/${name}/status`);
          const { nodes } = body as unknown as { nodes: { state: string }[] };
          return nodes.every(({ state }) => !['pending', 'delivered', 'unknown'].includes(state));
        });
      expect((await product.record()).children).toEqual(pids);
      for (const pid of Object.values(pids)) expect(await isAlive(pid)).toBe(true);
    },
    5 * MINUTE,
  );

  it(
    'ten thousand of them in one policy are taken or refused as too large, and taken back',
    async () => {
      const matchPaths = Array.from({ length: 10_000 }, (_, i) => ({ path: `/srv/file-${i}` }));
      const answer = await rest.post('/v1/apply', policyOf('many', { matchPaths }));
      expect(answer.status).toBe(200);
      const matchPatterns = Array.from({ length: 500 }, (_, i) => ({
        pattern: `/srv/**/${i}/**/x*`,
      }));
      const second = await rest.post('/v1/apply', policyOf('globs', { matchPatterns }));
      if (second.status !== 200) expectRefusal(second, 'globs');
      for (const name of ['many', 'globs']) await rest.delete(`/v1/policies/${name}`);
      await eventually('ready', MINUTE, async () => (await product.readiness()).status === 200);
    },
    5 * MINUTE,
  );
});

describe('what is no good HTTP', () => {
  it.each<[string, string, RegExp]>([
    [
      'a body that is shorter than it says',
      request('POST', 'content-length: 100', 'a: 1'),
      /^$|^HTTP\/1\.1 4/,
    ],
    ['a length that is no number', request('POST', 'content-length: many', 'x'), /^HTTP\/1\.1 400/],
    [
      'two lengths',
      request('POST', 'content-length: 1\r\ncontent-length: 2', 'xx'),
      /^HTTP\/1\.1 400/,
    ],
    [
      'a length and chunks',
      request('POST', 'content-length: 1\r\ntransfer-encoding: chunked', '0\r\n\r\n'),
      /^HTTP\/1\.1 400/,
    ],
    [
      'chunks that are none',
      request('POST', 'transfer-encoding: chunked', 'zz\r\n'),
      /^HTTP\/1\.1 4/,
    ],
    ['a header of a megabyte', request('GET', `x: ${'a'.repeat(1_000_000)}`), /^HTTP\/1\.1 431|^$/],
    [
      'ten thousand headers',
      request('GET', Array.from({ length: 10_000 }, (_, i) => `x${i}: y`).join('\r\n')),
      /^HTTP\/1\.1 (431|401|200)|^$/,
    ],
    ['a header with a NUL', request('GET', 'x: a\0b'), /^HTTP\/1\.1 400/],
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n', /^HTTP\/1\.1 400/],
    ['HTTP 0.9', 'GET /v1/policies\r\n', /^HTTP\/1\.1 400|^$/],
    ['a method that nobody knows', request('BREW', 'accept: */*'), /^HTTP\/1\.1 (400|404|405)/],
    [
      'an upgrade',
      request('GET', 'connection: upgrade\r\nupgrade: h2c'),
      // This client has said that it ends: Node closes what is not answered by then.
      /^HTTP\/1\.1 (401|400|404)|^$/,
    ],
  ])('%s ends with a 4xx or a closed connection', async (_title, text, expected) => {
    expect((await raw(text)).slice(0, 200)).toMatch(expected);
    expect((await rest.get('/healthz', { token: null })).status).toBe(200);
  });

  it('a hundred connections that say nothing keep nobody out', async () => {
    const { hostname, port } = new URL(rest.url);
    const idle = Array.from({ length: 100 }, () =>
      connect({ host: hostname, port: Number(port), rejectUnauthorized: false }).on(
        'error',
        () => undefined,
      ),
    );
    expect((await rest.get('/v1/policies')).status).toBe(200);
    expect(await product.cli(['get', 'nodes'])).toMatchObject({ code: 0 });
    idle.forEach((socket) => socket.destroy());
  });
});

describe('who may not', () => {
  it('is told so with no word about what there is, and the CLI with the remedy', async () => {
    for (const token of [null, '', 'wrong', `hwa_${'A'.repeat(43)}`]) {
      const there = await rest.get('/v1/policies/there', { token });
      const nowhere = await rest.get('/v1/policies/nowhere', { token });
      expect([there.status, nowhere.status]).toEqual([401, 401]);
      expect(there.text).toBe(nowhere.text);
    }
    const basic = await rest.get('/v1/policies', {
      token: null,
      headers: { authorization: 'Basic YTpi' },
    });
    expect(basic.status).toBe(401);
  });

  it('cannot enrol without a token that is good', async () => {
    for (const token of ['', 'wrong', `hwj_${'A'.repeat(43)}`])
      expectRefusal(await rest.post('/v1/enroll', { token, name: 'x' }, { token: null }), token);
  });
});

describe('two who change one thing', () => {
  it('get a 412 where they have not read the last change, and the list stays whole in pages', async () => {
    const first = await rest.get('/v1/policies/there');
    const etag = String(first.headers['etag']);
    const change = (severity: number) =>
      rest.put(
        '/v1/policies/there',
        blockProgram('there', '/usr/bin/nc', { env: 'prod' }).replace(
          'severity: 5',
          `severity: ${severity}`,
        ),
        { headers: { 'if-match': etag } },
      );
    expect((await change(6)).status).toBe(200);
    const lost = await change(7);
    expectRefusal(lost, 'If-Match');
    expect(lost.status).toBe(412);
    const names: string[] = [];
    let cursor = '';
    do {
      const query = cursor === '' ? '?limit=2' : `?limit=2&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await rest.get(`/v1/policies${query}`);
      const page = body as unknown as { items: { name: string }[]; next?: string };
      names.push(...page.items.map(({ name }) => name));
      cursor = page.next ?? '';
    } while (cursor !== '');
    const listed = (await product.must(['get', 'policies', '-o', 'name'])).stdout
      .trim()
      .split('\n');
    expect(names).toEqual(listed);
  });
});

it('nothing of all that was a failure of the control plane', async () => {
  const log = await product.log('control-plane');
  expect(log.split('\n').filter((line) => line.includes('"level":"error"'))).toEqual([]);
  expect((await product.record()).children).toEqual(pids);
});

function policyOf(name: string, process: object) {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name },
    spec: { nodeSelector: { matchLabels: ALL }, process, action: 'Block' },
  };
}

function request(method: string, headers: string, body = ''): string {
  return `${method} /v1/apply HTTP/1.1\r\nhost: x\r\n${headers}\r\n\r\n${body}`;
}

/** Sends bytes as they are, ends its side, and gives what came back. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(rest.url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () =>
      socket.end(Buffer.from(text, 'latin1')),
    );
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => resolve(answer));
    socket.on('close', () => resolve(answer));
    socket.setTimeout(60_000, () => socket.destroy());
  });
}
