import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Rest } from '../../apps/control-plane/src/testing/rest.js';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product } from '../e2e/support/product.js';
import { withChildren } from '../e2e/support/listeners.js';
import { filedSecrets, filesBelow, modeOf, shownOf, type FiledSecret } from './support/secrets.js';
import { leaks } from './support/wire.js';

const MINUTE = 60_000;

jest.setTimeout(4 * MINUTE);

describe('whoever reads what a run of the product has written', () => {
  let product: Product;
  let filed: readonly FiledSecret[];
  let words: readonly string[];
  /** What every command but those that make a secret has said, on both streams. */
  let said = '';

  beforeAll(async () => {
    product = await Product.up({ localAgent: true });
    const joinToken = await product.joinToken('env=prod');
    const apiToken = await make('api-token', 'ci', '--role=viewer', '-o', 'name');
    const { token } = await product.context();
    await work(token, joinToken);
    filed = await filedSecrets(product.dataDir);
    words = [token, joinToken, apiToken, ...filed.map(({ word }) => word)];
  });
  afterAll(() => product?.down());

  async function make(...args: string[]): Promise<string> {
    const { stdout, stderr } = await product.must(['create', ...args]);
    said += stderr;
    return stdout.trim();
  }

  async function say(args: readonly string[], input?: string): Promise<void> {
    const { stdout, stderr } = await product.cli(args, { input });
    said += stdout + stderr;
  }

  /** Everything that has occasion to say a secret: good calls, wrong ones, refused logins and a second start. */
  async function work(token: string, joinToken: string): Promise<void> {
    const policy = blockProgram('quiet', '/usr/bin/nc', { env: 'prod' });
    await say(['apply', '-f', '-'], policy);
    await say(['apply', '-f', '-'], `${policy}  nonsense: ${joinToken.slice(0, 4)}\n`);
    for (const kind of ['nodes', 'policies', 'join-tokens', 'api-tokens', 'users', 'groups'])
      await say(['get', kind, '-o', 'json']);
    await say(['context', 'list']);
    await say(['delete', 'policy', 'nowhere']);
    await say(['up', `--data-dir=${product.dataDir}`]);
    await eventually('the agent has reported', MINUTE, async () =>
      /yes/.test((await product.must(['get', 'nodes'])).stdout),
    );
    const { url, ca } = await product.context();
    const rest = new Rest(url, ca, token);
    await rest.get(`/v1/policies?token=${'x'.repeat(10)}`);
    await rest.post('/v1/enroll', { token: joinToken, name: 'web1' }, { token: null });
    await rest.get('/v1/policies', { token: `${token.slice(0, -1)}!` });
    await product.signal('control plane', 'SIGKILL');
    await eventually(
      'it is ready again',
      MINUTE,
      async () => (await rest.get('/readyz').catch(() => ({ status: 0 }))).status === 200,
    );
  }

  it('ATTACKER: local user, looks for secrets: there are keys of every kind, and each is found where it lies', async () => {
    const files = filed.map(({ file }) => file.slice(file.lastIndexOf('/') + 1));
    expect(files).toEqual(
      expect.arrayContaining([
        'ca.key',
        'online.key',
        'epoch.secret',
        'signing.key',
        'sealing.key',
      ]),
    );
    expect(files).toEqual(expect.arrayContaining(['tls.key', 'redis.secret', 'channel-key.json']));
    expect(words.every((word) => word.length >= 20)).toBe(true);
    expect(new Set(words).size).toBe(words.length);
    for (const { file, word } of filed)
      expect(leaks(await readFile(join(product.dataDir, file)), [word])).not.toEqual([]);
  });

  it('ATTACKER: local user, reads the logs of all programs: no secret stands in one', async () => {
    const logs = (await filesBelow(product.dataDir)).filter((file) => file.endsWith('.log'));
    expect(logs.length).toBeGreaterThanOrEqual(4);
    const found = await Promise.all(logs.map(async (log) => leaks(await readFile(log), words)));
    expect(Object.fromEntries(logs.map((log, i) => [log, found[i]]))).toEqual(
      Object.fromEntries(logs.map((log) => [log, []])),
    );
  });

  it('ATTACKER: reader of a terminal, reads what commands and their errors said: no secret, but when it was made', () => {
    expect(said.length).toBeGreaterThan(500);
    expect(leaks(Buffer.from(said), words)).toEqual([]);
  });

  it('ATTACKER: local user, reads command lines and environments of all processes: no secret', async () => {
    const { pid, children } = await product.record();
    const family = await withChildren([pid, ...Object.values(children)]);
    expect(family.length).toBeGreaterThanOrEqual(5);
    for (const each of family) {
      const { cmdline, environ } = await shownOf(each);
      expect({ cmdline, found: leaks(Buffer.from(cmdline + environ), words) }).toEqual({
        cmdline,
        found: [],
      });
    }
  });

  it.each([
    '/v1/audit-log',
    '/v1/alerts',
    '/v1/openapi.json',
    '/v1/nodes',
    '/v1/join-tokens',
    '/metrics',
    '/readyz',
  ])('ATTACKER: operator with fewer permissions, reads %s: no secret', async (path) => {
    const { url, ca, token } = await product.context();
    const { status, text } = await new Rest(url, ca, token).get(path);
    expect({ status, found: leaks(Buffer.from(text), words) }).toEqual({ status: 200, found: [] });
  });

  it('ATTACKER: local user, opens the files in which secrets lie: they are their owner’s alone', async () => {
    const modes = await Promise.all(
      filed.map(async ({ file }) => [file, await modeOf(join(product.dataDir, file))] as const),
    );
    // The sealing key of a host is root's, readable by the group of the agent.
    const open = modes.filter(
      ([file, mode]) => mode !== '600' && !(file.endsWith('sealing.key') && mode === '640'),
    );
    expect(open).toEqual([]);
  });

  it('ATTACKER: local user, looks for a copy of a secret in any other file of the data folder: none', async () => {
    const holders = new Set(filed.map(({ file }) => join(product.dataDir, file)));
    const others = (await filesBelow(product.dataDir)).filter((file) => !holders.has(file));
    const found = await Promise.all(others.map(async (file) => leaks(await readFile(file), words)));
    expect(others.filter((_file, i) => (found[i]?.length ?? 0) > 0)).toEqual([]);
  });
});
