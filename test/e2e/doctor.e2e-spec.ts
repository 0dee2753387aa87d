import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Finding } from '#contracts';
import { withAuditLog } from '../attack/support/audit-log-database.js';
import { eventually } from './support/eventually.js';
import { Product } from './support/product.js';
import { RedisValues } from './support/redis-values.js';

jest.setTimeout(300_000);

const SECONDS = 1_000;
let product: Product;
let redis: RedisValues;
beforeAll(async () => {
  product = await Product.up({ localAgent: true });
  redis = await RedisValues.of(product);
});
afterAll(() => product.down());

const examined = async (
  env: Record<string, string> = {},
): Promise<{ code: number; found: Record<string, Finding> }> => {
  const { code, stdout } = await product.cli(['doctor', '--json'], { env });
  const findings = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Finding);
  return { code, found: Object.fromEntries(findings.map((each) => [each.check, each])) };
};

/** The fault is found, is said with a remedy, and makes the command fail. */
const finds = async (check: string, words: RegExp, env?: Record<string, string>): Promise<void> => {
  const { code, found } = await examined(env);
  expect({ code, finding: found[check] }).toEqual({
    code: 1,
    finding: {
      check,
      verdict: 'failed',
      cause: expect.stringMatching(words),
      remedy: expect.stringMatching(/./),
    },
  });
};
const verdictOf = async (check: string): Promise<string | undefined> =>
  (await examined()).found[check]?.verdict;
const within = (what: string, ms: number, holds: () => Promise<boolean>): Promise<boolean> =>
  eventually(what, ms, holds, SECONDS);

describe('hostward doctor', () => {
  it('finds nothing wrong with an installation that is well', async () => {
    const well = async (): Promise<boolean> => (await examined()).code === 0;
    await within('the host reports', 30 * SECONDS, well);
    const { stdout } = await product.must(['doctor']);
    expect(stdout).toMatch(/checks, nothing has failed/);
  });

  it('node: a host is renamed, drained, asked for its version, and not taken out while it reports', async () => {
    const name = (await product.must(['get', 'nodes', '-o', 'name'])).stdout.trim();
    const node = name.replace(/^node\//, '');
    expect((await product.must(['node', 'upgrade'])).stdout).toMatch(/^every host .* runs \d/);
    const refused = await product.cli(['node', 'offboard', node]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/still reports.*remedy: .*hostward-agent offboard/s),
    ]);
    const dry = await product.must(['node', 'offboard', node, '--force', '--dry-run']);
    expect(dry.stdout).toContain('would be offboarded');
    const drained = await product.must(['node', 'drain', node, '--for', '5m', '--reason', 'work']);
    const id = /suspension\/(\S+): off/.exec(drained.stdout)?.[1] ?? '';
    await product.must(['breakglass', '--end', id]);
    expect((await product.must(['node', 'rename', node, 'other-name'])).stdout).toBe(
      `node/${node} is node/other-name\n`,
    );
    await within('it reports under it', 30 * SECONDS, async () => (await examined()).code === 0);
    const taken = await product.cli(['node', 'replace', 'nobody']);
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('nobody')]);
  });

  it.each<[string, string, RegExp, Record<string, string>]>([
    [
      'a name that does not resolve',
      'name-resolution',
      /no address/,
      { HOSTWARD_URL: 'https://no-such.invalid:1' },
    ],
    [
      'a port where nobody listens',
      'port',
      /ECONNREFUSED/,
      { HOSTWARD_URL: 'https://127.0.0.1:1' },
    ],
    ['a URL that is none', 'context', /is not https:/, { HOSTWARD_URL: 'http://x' }],
    ['a CA file that is not there', 'context', /cannot read/, { HOSTWARD_CA: '/nowhere.pem' }],
    ['a token that is not known', 'token', /token/, { HOSTWARD_TOKEN: 'hwa_wrong' }],
  ])('finds %s', async (_title, check, words, env) => {
    await finds(check, words, env);
  });

  it('finds a certificate of another CA', async () => {
    const other = await Product.prepare();
    const file = `${other.dataDir}.pem`;
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=other'];
    await promisify(execFile)('openssl', [...args, '-keyout', '/dev/null', '-out', file]);
    await finds('certificate', /not believed/, { HOSTWARD_CA: file });
    await other.remove();
  });

  it('finds a file of tokens, and a data folder, that are open to others', async () => {
    const file = join(product.configHome, 'hostward', 'config.yaml');
    await chmod(file, 0o644);
    await finds('context', /open to others/);
    await chmod(file, 0o600);
    await chmod(product.dataDir, 0o755);
    await finds('data-folder', /open to others/);
    await chmod(product.dataDir, 0o700);
  });

  it('warns of a token that ends soon, which is no fault yet', async () => {
    const args = ['create', 'api-token', 'soon', '--role', 'viewer', '--ttl', '1h', '-o', 'name'];
    const HOSTWARD_TOKEN = (await product.must(args)).stdout.trim();
    const { code, found } = await examined({ HOSTWARD_TOKEN });
    expect([code, found['token']?.verdict]).toEqual([0, 'warning']);
    expect(found['audit-log-chain']?.cause).toContain('may not read');
  });

  it('warns of a CA whose replacement was left in its middle', async () => {
    await product.must(['ca', 'begin']);
    expect(await verdictOf('ca')).toBe('warning');
    await product.must(['ca', 'abort']);
    expect(await verdictOf('ca')).toBe('ok');
  });

  it('finds a Redis that evicts, is full, or has lost the user of a host', async () => {
    await redis.run('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await finds('redis-eviction-primary', /allkeys-lru/);
    await redis.run('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await redis.run('CONFIG', 'SET', 'maxmemory', '1mb');
    await finds('redis-memory-primary', /of 1 MiB/);
    await redis.run('CONFIG', 'SET', 'maxmemory', '1gb');
    const users = (await redis.run('ACL', 'USERS')).toString().split('\n');
    const host = users.find((user) => user.startsWith('node-')) ?? '';
    await redis.run('ACL', 'DELUSER', host);
    await finds('redis-acl-primary', /1 hosts have no user/);
  });

  it('finds an etcd and a Redis that do not answer, while it is asked all the same', async () => {
    const stopped = ['etcd', 'redis', 'agent'];
    for (const name of stopped) await product.signal(name, 'SIGSTOP');
    let found: Record<string, Finding> = {};
    const failed = (): readonly string[] =>
      Object.values(found).flatMap(({ check, verdict }) => (verdict === 'failed' ? [check] : []));
    try {
      await within('both are found', 60 * SECONDS, async () => {
        ({ found } = await examined());
        return ['etcd', 'redis'].every((name) => failed().includes(name));
      });
      expect(failed()).toEqual(expect.arrayContaining(['redis-primary', 'etcd-space']));
      expect(found['etcd']?.remedy).toMatch(/see that etcd runs/);
      expect(found['redis-primary']?.cause).toMatch(/cannot be asked/);
    } finally {
      for (const name of ['etcd', 'redis']) await product.signal(name, 'SIGCONT');
    }
  });

  it('finds a host that is silent, and sees that it is back', async () => {
    await within(
      'silence',
      60 * SECONDS,
      async () => (await verdictOf('hosts-silent')) === 'failed',
    );
    await finds('hosts-silent', /1 of 1 hosts do not report/);
    await product.signal('agent', 'SIGCONT');
    await within(
      'it is back',
      60 * SECONDS,
      async () => (await verdictOf('hosts-silent')) === 'ok',
    );
  });

  it('finds an audit log that somebody has changed', async () => {
    withAuditLog(product, (db) => db.exec('DELETE FROM entries WHERE seq = 2'));
    await finds('audit-log-chain', /broken at entry 2/);
  });

  it('finds that it is down, and a port that another program has taken', async () => {
    await product.stop();
    await finds('up', /no `up` runs/);
    const taken = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => taken.listen(product.port, '127.0.0.1', resolve));
    await finds('ports', new RegExp(`taken by another program: ${product.port}`));
    await new Promise((resolve) => taken.close(resolve));
  });

  it('finds a file of contexts that cannot be read', async () => {
    const file = join(product.configHome, 'hostward', 'config.yaml');
    const kept = await readFile(file, 'utf8');
    await writeFile(file, 'contexts: [');
    await finds('context', /not YAML/);
    await writeFile(file, kept);
  });
});
