import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'yaml';
import { eventually } from '../testing/eventually.js';
import { Rig } from '../testing/rig.js';
import { TestHost } from '../testing/test-host.js';

const DEB = 'hostward-agent_1.0_amd64.deb';
const BODY = Buffer.from('bytes of a package');
const SUM = createHash('sha256').update(BODY).digest('hex');
const { privateKey, publicKey } = generateKeyPairSync('ed25519');

/** Only what is looked at again and again has to pass sooner. */
const ALL_BUT_INTERVALS = [
  ...(['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask'] as const),
  ...(['setImmediate', 'clearImmediate', 'setTimeout', 'clearTimeout'] as const),
];

let folder: string;
let rig: Rig;

/** Makes the folder say what these lines say, signed. */
function release(lines: string, key = privateKey): void {
  writeFileSync(join(folder, 'SHA256SUMS'), lines);
  writeFileSync(join(folder, 'SHA256SUMS.sig'), sign(null, Buffer.from(lines), key));
  writeFileSync(join(folder, 'release.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hw-packages-'));
  writeFileSync(join(folder, DEB), BODY);
  rig = await Rig.prepare(['--packages', folder]);
  await rig.startControlPlane();
  await rig.ready();
});
afterAll(async () => {
  await rig?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('without a release', () => {
  it('nothing is listed or sent, and no script is made: 409 says what to do', async () => {
    const list = await rig.rest.get('/v1/packages', { token: null });
    expect([list.status, list.body]).toEqual([200, { items: [] }]);
    expect((await rig.rest.get(`/v1/packages/${DEB}`, { token: null })).status).toBe(404);
    const script = await rig.rest.post('/v1/nodes/web1/install-script', {});
    expect([script.status, script.text]).toEqual([
      409,
      expect.stringContaining('hostward package'),
    ]);
    expect((await rig.rest.get('/v1/join-tokens')).body['items']).toEqual([]);
  });
});

describe('a release', () => {
  beforeAll(() => release(`${SUM}  ${DEB}\n`));

  it('is listed with its key, and each file of it is sent to anybody', async () => {
    const list = await rig.rest.get('/v1/packages', { token: null });
    expect(list.body).toEqual({
      items: [{ file: DEB, sha256: SUM, bytes: BODY.length }],
      releaseKey: publicKey.export({ type: 'spki', format: 'pem' }),
    });
    const sent = await rig.rest.get(`/v1/packages/${DEB}`, { token: null });
    expect([sent.status, sent.text, sent.headers['content-length']]).toEqual([
      200,
      BODY.toString(),
      String(BODY.length),
    ]);
  });

  it.each([
    'secret.txt',
    '..%2F..%2Fetc%2Fpasswd',
    '%2e%2e',
    `${DEB}%00`,
    `.%2F${DEB}`,
    'x'.repeat(250),
  ])('sends nothing else: %s', async (file) => {
    writeFileSync(join(folder, 'secret.txt'), 'no package');
    expect((await rig.rest.get(`/v1/packages/${file}`, { token: null })).status).toBe(404);
  });

  it('is a script of the host, with a token of one use and these labels', async () => {
    const body = { labels: { env: 'prod' }, url: 'https://hw.example:7443', ttlMs: 60_000 };
    const { status, text, headers } = await rig.rest.post('/v1/nodes/web1/install-script', body);
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([
      200,
      expect.stringContaining('text/x-shellscript'),
      'no-store',
    ]);
    for (const word of ["name='web1'", SUM, rig.files.caFingerprint, 'https://hw.example:7443'])
      expect(text).toContain(word);
    const [token = ''] = /hwj_[0-9a-f]{16}_[A-Za-z0-9_-]{43}/.exec(text) ?? [];
    const id = token.split('_')[1] ?? '';
    const made = await rig.rest.get(`/v1/join-tokens/${id}`);
    expect(made.body).toMatchObject({ uses: 1, usesLeft: 1, labels: { env: 'prod' } });
    const auditLog = await rig.rest.get('/v1/audit-log?limit=200');
    expect([auditLog.text.includes(id), auditLog.text.includes(token)]).toEqual([true, false]);
    // Whoever reads it comes in under no other name.
    const other = await new TestHost('db1', rig.rest).enroll(token);
    expect([other.status, other.text]).toEqual([403, expect.stringContaining('for the host web1')]);
  });

  it('is user-data of cloud-init where that is asked for', async () => {
    const body = { format: 'cloud-init' };
    const { text, headers } = await rig.rest.post('/v1/nodes/web2/install-script', body);
    expect(headers['content-type']).toContain('text/cloud-config');
    const config = parse(text) as { write_files: readonly { content: string }[] };
    // Without a URL: as the caller reached it.
    expect(config.write_files[0]?.content).toContain(`url='${rig.rest.url}'`);
  });

  it.each([
    ['url', { url: 'http://hw.example' }],
    ['url', { url: 'https://a@hw.example' }],
    ['url', { url: 'https://hw.example/path' }],
    ['url', { url: "https://hw.example';touch" }],
    ['labels.env', { labels: { env: "a'; touch /tmp/harm; '" } }],
    ['labels', { labels: { 'a$(b)': 'c' } }],
    ['format', { format: 'exe' }],
    ['enforcer', { enforcer: 'none' }],
    ['ttlMs', { ttlMs: 90_000_000 }],
    ['name', { name: 'x' }],
  ])('refuses %s by name, and makes no token: %j', async (field, body) => {
    const tokens = async () => (await rig.rest.get('/v1/join-tokens')).body['items'];
    const before = await tokens();
    const answer = await rig.rest.post('/v1/nodes/web1/install-script', body);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(field)]);
    expect(await tokens()).toEqual(before);
  });

  it.each(["web1';reboot", '$(reboot)', 'a%0Ab', 'UPPER'])('is for no host %s', async (name) => {
    const path = `/v1/nodes/${encodeURIComponent(name)}/install-script`;
    expect((await rig.rest.post(path, {})).status).toBe(400);
  });

  it('holds a secret, so a viewer gets none and nobody does without a token', async () => {
    const viewer = await rig.rest.post('/v1/api-tokens', { name: 'v', roles: ['viewer'] });
    const token = String(viewer.body['token']);
    const path = '/v1/nodes/web1/install-script';
    expect((await rig.rest.post(path, {}, { token })).status).toBe(403);
    expect((await rig.rest.post(path, {}, { token: null })).status).toBe(401);
  });
});

describe('a release that is not as it was signed', () => {
  const other = generateKeyPairSync('ed25519').privateKey;
  it.each([
    ['by another key', () => release(`${SUM}  ${DEB}\n`, other)],
    ['with a line that is none', () => release(`${SUM}  ../../etc/passwd\n`)],
    ['of a file that is not there', () => release(`${SUM}  hostward-agent_2.0_amd64.deb\n`)],
    [
      'of a link',
      () => {
        const link = 'hostward-agent_3.0_amd64.deb';
        symlinkSync('/etc/passwd', join(folder, link));
        release(`${SUM}  ${link}\n`);
      },
    ],
  ])('%s is offered to nobody', async (_what, make) => {
    make();
    for (const answer of [
      await rig.rest.get('/v1/packages', { token: null }),
      await rig.rest.get(`/v1/packages/${DEB}`, { token: null }),
      await rig.rest.post('/v1/nodes/web1/install-script', {}),
    ])
      expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('not whole')]);
  });
});

describe('a reader that asks for packages and reads none', () => {
  const LARGE = 'hostward-agent_4.0_amd64.deb';
  const ALL_PLACES = 64;
  const SOON_MS = 5_000;
  const fetched = async () => (await rig.rest.get(`/v1/packages/${DEB}`, { token: null })).status;
  beforeAll(() => {
    writeFileSync(join(folder, LARGE), '');
    truncateSync(join(folder, LARGE), 64 * 1024 * 1024);
    release(`${SUM}  ${DEB}\n${SUM}  ${LARGE}\n`);
    jest.useFakeTimers({ doNotFake: ALL_BUT_INTERVALS });
  });
  afterAll(() => {
    jest.useRealTimers();
  });

  it('keeps others out for no longer than some minutes', async () => {
    const { hostname: host, port } = new URL(rig.rest.url);
    const reader = connect({ host, port: Number(port), ca: readFileSync(rig.files.caFile) });
    try {
      await once(reader, 'secureConnect');
      reader.pause();
      reader.write(`GET /v1/packages/${LARGE} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(ALL_PLACES));
      await eventually('no place is left', async () => (await fetched()) === 429, SOON_MS);
      const minuteLater = () => {
        jest.advanceTimersByTime(60_000);
        return fetched();
      };
      await eventually('there is room again', async () => (await minuteLater()) === 200, SOON_MS);
    } finally {
      reader.destroy();
    }
  });
});

describe('a flood of fetches', () => {
  it('is slowed, with the time to wait', async () => {
    release(`${SUM}  ${DEB}\n`);
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, () => rig.rest.get('/v1/packages/SHA256SUMS', { token: null })),
    );
    const slowed = answers.filter(({ status }) => status === 429);
    expect(slowed.length).toBeGreaterThan(0);
    expect(slowed[0]?.headers['retry-after']).toMatch(/^\d+$/);
    expect(answers.some(({ status }) => status === 200)).toBe(true);
  });
});
