import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Role } from '#contracts';
import type { Rest } from '../../apps/control-plane/src/testing/rest.js';
import { eventually } from '../e2e/support/eventually.js';
import { Product } from '../e2e/support/product.js';

jest.setTimeout(300_000);

const WITHIN_MS = 60_000;

let product: Product;
let rest: Rest;
const tokens = new Map<string, string>();

beforeAll(async () => {
  product = await Product.up();
  rest = await product.rest();
  await rest.post('/v1/apply', [vm('mine', 'a'), vm('theirs', 'b'), policy('both')].join('---\n'));
  for (const role of ['viewer', 'operator', 'author', 'approver'] as const) {
    tokens.set(role, await apiToken([role]));
    tokens.set(`${role} of team a`, await apiToken([role], 'team=a'));
  }
});
afterAll(() => product.down());

async function apiToken(roles: readonly Role[], selector?: string, ttlMs = 600_000) {
  const made = await rest.post('/v1/api-tokens', { name: 'attacker', roles, selector, ttlMs });
  expect([made.status, made.text]).toEqual([201, expect.any(String)]);
  return String(made.body['token']);
}

const vm = (name: string, team: string): string =>
  `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: { name: ${name}, labels: { team: ${team}, tier: web } }\n`;

const policy = (name: string, label = 'tier: web', annotations = '{}'): string =>
  `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorHostPolicy\nmetadata: { name: ${name}, annotations: ${annotations} }\nspec: { nodeSelector: { matchLabels: { ${label} } }, action: Block, process: { matchPaths: [{ path: /usr/bin/true }] } }\n`;

const until = (): string => new Date(Date.now() + 600_000).toISOString();

type Attempt = readonly [method: string, path: string, body: unknown];

const policyWrites = (): Attempt[] => [
  ['POST', '/v1/apply', policy('new')],
  ['PUT', '/v1/policies/both', policy('both', 'tier: db')],
  ['DELETE', '/v1/policies/both', undefined],
  ['POST', '/v1/policies/both/pause', {}],
  ['POST', '/v1/policies/both/resume', {}],
  ['POST', '/v1/policies/both/rollback', {}],
];
const nodeWrites = (): Attempt[] => [
  ['POST', '/v1/apply', vm('new', 'b')],
  ['PUT', '/v1/nodes/theirs', vm('theirs', 'a')],
  ['DELETE', '/v1/nodes/theirs', undefined],
  ['PATCH', '/v1/nodes/theirs/labels', { labels: { team: 'a' } }],
  ['POST', '/v1/nodes/theirs/revoke', {}],
];
const suspensionWrites = (): Attempt[] => [
  [
    'POST',
    '/v1/suspensions',
    { target: { all: true }, mode: 'off', until: until(), reason: 'attack' },
  ],
];
const exceptionWrites = (): Attempt[] => [
  [
    'POST',
    '/v1/exceptions',
    { policy: 'both', selector: 'tier=web', until: until(), reason: 'attack' },
  ],
];
const joinWrites = (team = 'a'): Attempt[] => [
  ['POST', '/v1/join-tokens', { labels: { team } }],
  ['POST', '/v1/join-tokens', { labels: { ...(team === 'a' && { team }), tier: 'web' } }],
];
const peopleWrites = (): Attempt[] => [
  ['POST', '/v1/api-tokens', { name: 'more', roles: ['admin'] }],
  ['POST', '/v1/users', { name: 'mallory', roles: ['admin'], secret: 'long enough a secret' }],
  ['GET', '/v1/users', undefined],
  ['GET', '/v1/api-tokens', undefined],
];

async function refused(who: string, attempts: readonly Attempt[]): Promise<void> {
  for (const [method, path, body] of attempts) {
    const answer = await rest.call(method, path, { body, token: tokens.get(who) ?? '' });
    expect([who, method, path, answer.status]).toEqual([who, method, path, 403]);
  }
}

const revision = async (): Promise<bigint> =>
  BigInt(String((await rest.get('/v1/policies')).body['revision']));

interface Told {
  readonly action: string;
  readonly actor: string;
  readonly outcome: string;
  readonly detail: { readonly sources?: readonly { readonly logins: number }[] };
}
const auditLog = async (): Promise<readonly Told[]> =>
  (await rest.get('/v1/audit-log?limit=500')).body['items'] as unknown as readonly Told[];

describe('ATTACKER: somebody with fewer permissions', () => {
  it.each<[string, () => Attempt[]]>([
    [
      'viewer',
      () => [
        ...policyWrites(),
        ...nodeWrites(),
        ...suspensionWrites(),
        ...exceptionWrites(),
        ...joinWrites(),
        ...peopleWrites(),
      ],
    ],
    ['operator', () => [...policyWrites(), ...exceptionWrites(), ...peopleWrites()]],
    [
      'author',
      () => [
        ...nodeWrites(),
        ...suspensionWrites(),
        ...exceptionWrites(),
        ...joinWrites(),
        ...peopleWrites(),
      ],
    ],
    ['approver', () => [...policyWrites(), ...nodeWrites(), ...suspensionWrites()]],
  ])(
    'ATTACKER: %s tries each write that is not theirs: 403, nothing written',
    async (who, list) => {
      await refused(who, list());
      const names = (await rest.get('/v1/policies')).body['items'] as unknown as { name: string }[];
      expect(names.map(({ name }) => name)).toEqual(['both']);
      expect((await rest.get('/v1/suspensions')).body['items']).toEqual([]);
    },
  );

  it('ATTACKER: an author raises a policy above the normal tier or over the control path: 403', async () => {
    await refused('author', [
      ['POST', '/v1/apply', policy('tier', 'tier: web', '{ hostward.io/tier: baseline }')],
      ['POST', '/v1/apply?overrideProtection=true', policy('over')],
    ]);
  });

  it('ATTACKER: a token of another scope touches hosts and policies outside of it: 403, and sees none', async () => {
    await refused('operator of team a', [
      ...nodeWrites(),
      ...suspensionWrites(),
      ['PATCH', '/v1/nodes/mine/labels', { labels: { team: 'b' } }],
      ...joinWrites('b'),
      ...peopleWrites(),
    ]);
    await refused('author of team a', [
      // Without effect on what is not paused and has no earlier version, so not refused.
      ...policyWrites().filter(([, path]) => !/resume|rollback/.test(path)),
      ['POST', '/v1/apply', policy('wide', 'hostward.io/all-hosts: "true"')],
    ]);
    await refused('approver of team a', exceptionWrites());
    const token = tokens.get('viewer of team a') ?? '';
    expect((await rest.get('/v1/nodes/theirs', { token })).status).toBe(404);
    expect((await rest.get('/v1/nodes', { token })).text).not.toContain('theirs');
  });

  it('ATTACKER: the refused tries in the audit log: their actor and route, and no more than some of a flood', async () => {
    const token = await apiToken(['viewer']);
    const before = await revision();
    for (let i = 0; i < 100; i += 1) await rest.get('/v1/users', { token });
    expect(Number((await revision()) - before)).toBeLessThan(30);
    await eventually('told', WITHIN_MS, async () =>
      (await auditLog()).some(({ action, outcome }) => {
        return action === 'GET /v1/users' && outcome === 'refused';
      }),
    );
  });
});

describe('ATTACKER: somebody with a token that counts no more', () => {
  it('ATTACKER: an expired token: 401', async () => {
    const token = await apiToken(['admin'], undefined, 1_000);
    await eventually(
      'expired',
      WITHIN_MS,
      async () => (await rest.get('/v1/nodes', { token })).status === 401,
    );
  });

  it('ATTACKER: a revoked token, the moment after: 401', async () => {
    const token = await apiToken(['admin']);
    expect((await rest.get('/v1/nodes', { token })).status).toBe(200);
    await rest.delete(`/v1/api-tokens/${token.split('_')[1] ?? ''}`);
    expect((await rest.get('/v1/nodes', { token })).status).toBe(401);
  });

  it.each([
    ['an id alone', (token: string) => token.slice(0, 21)],
    ['a changed secret', (token: string) => `${token.slice(0, -2)}AA`],
    ['another id', (token: string) => token.replace(/_[0-9a-f]{16}_/, `_${'0'.repeat(16)}_`)],
    ['a join token', () => `hwj_${'0'.repeat(16)}_${'A'.repeat(43)}`],
  ])('ATTACKER: %s of a token: 401', async (_title, change) => {
    const token = change(await apiToken(['viewer']));
    expect((await rest.get('/v1/nodes', { token })).status).toBe(401);
  });
});

describe('ATTACKER: a guesser', () => {
  it('ATTACKER: tries secrets of a user: 401 five times, then 429, for unknown users too, and etcd sees none of it', async () => {
    const secret = randomBytes(18).toString('base64url');
    await rest.post('/v1/users', { name: 'victim', roles: ['viewer'], secret });
    const guess = (user: string, word = 'a wrong secret') =>
      rest.post('/v1/login', { user, secret: word }, { token: null });
    const before = await revision();
    for (const user of ['victim', 'nobody-here']) {
      const seen: number[] = [];
      for (let i = 0; i < 12; i += 1) seen.push((await guess(user)).status);
      expect(seen.slice(0, 5)).toEqual([401, 401, 401, 401, 401]);
      expect(seen.slice(7)).toEqual([429, 429, 429, 429, 429]);
    }
    // The right one is not tried either any more: it would tell that it is right.
    const late = await guess('victim', secret);
    expect([late.status, Number(late.headers['retry-after'])]).toEqual([429, expect.any(Number)]);
    // Many at once, and among them the last word: on a slow machine time itself gives tries back.
    const tried: number[] = [];
    for (let i = 0; i < 10; i += 1)
      tried.push(
        ...(await Promise.all(
          Array.from({ length: 30 }, async () => {
            const { status } = await rest.get('/v1/nodes', { token: 'hwa_wrong' });
            return status;
          }),
        )),
      );
    expect(new Set(tried)).toEqual(new Set([401, 429]));
    expect((await rest.get('/v1/nodes')).status).toBe(200);
    // What is counted is written once a minute, by this test and by those before it.
    expect(Number((await revision()) - before)).toBeLessThan(30);
    await eventually('counted', 120_000, async () => {
      const failed = (await auditLog()).filter(({ action }) => action === 'login.failed');
      const counts = failed.flatMap(({ detail }) => detail.sources ?? []);
      return counts.reduce((sum, { logins }) => sum + logins, 0) > 300;
    });
  });

  it('ATTACKER: looks for a secret in everything that was written: found nowhere', async () => {
    const secret = randomBytes(18).toString('base64url');
    const made = await product.must(
      ['create', 'user', 'careful', '--role', 'viewer'],
      undefined,
      `${secret}\n`,
    );
    expect(made.stdout + made.stderr).not.toContain(secret);
    for (const name of ['control-plane', 'etcd', 'redis', 'up'] as const)
      expect(await product.log(name)).not.toContain(secret);
    expect((await rest.get('/v1/users/careful')).text).not.toContain('hash');
    expect(JSON.stringify(await auditLog())).not.toContain(secret);
  });
});
