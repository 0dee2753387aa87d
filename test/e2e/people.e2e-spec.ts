import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from './support/eventually.js';
import { Product } from './support/product.js';

jest.setTimeout(300_000);

const SECRET = 'correct horse battery staple';
let product: Product;
beforeAll(async () => {
  product = await Product.up();
});
afterAll(() => product.down());

const contextFile = (): string => join(product.configHome, 'hostward', 'config.yaml');
const fails = async (args: readonly string[], input?: string): Promise<string> => {
  const { code, stderr } = await product.cli(args, { input });
  expect([args.join(' '), code]).toEqual([args.join(' '), 1]);
  return stderr;
};

describe('people, as the command line has them', () => {
  it('step 1: an admin makes a user, whose secret is on no command line', async () => {
    const args = ['create', 'user', 'alice', '--role', 'operator', '--selector', 'team=a'];
    const made = await product.must(args, undefined, `${SECRET}\n`);
    expect(made.stdout).toBe('user/alice created: operator on hosts with team=a\n');
    const { stdout } = await product.must(['get', 'users']);
    expect(stdout).toMatch(/alice +operator +team=a/);
    expect(await fails(['create', 'user', 'bob', '--role', 'viewer'], 'short\n')).toContain('12');
  });

  it('step 2: a wrong secret is refused with a remedy', async () => {
    const said = await fails(['login', '--user', 'alice'], 'a wrong secret\n');
    expect(said).toContain('user or secret is wrong');
  });

  it('step 3: the user logs in, acts in its scope, and no further', async () => {
    await product.must(['login', '--user', 'alice'], undefined, `${SECRET}\n`);
    expect((await product.must(['whoami'])).stdout).toMatch(/^user\/alice\n.*operator\n.*team=a/s);
    expect((await stat(contextFile())).mode & 0o077).toBe(0);
    expect(await readFile(contextFile(), 'utf8')).not.toContain(SECRET);
    expect(await fails(['get', 'users'])).toMatch(/people:read.*remedy/s);
    expect(await fails(['create', 'join-token'])).toContain('scope');
    await product.must(['get', 'nodes']);
  });

  it('step 4: logout ends the session, whatever HOSTWARD_TOKEN is, and goes back to the token of the context', async () => {
    const { token, session } = await product.context();
    const { stdout, stderr } = await product.cli(['logout'], { env: { HOSTWARD_TOKEN: token } });
    expect({ stdout, stderr }).toEqual({ stdout: 'context/data: logged out\n', stderr: '' });
    const rest = await product.rest();
    const ended = await rest.get('/v1/whoami', { token: session?.token ?? '' });
    expect(ended.status).toBe(401);
    expect((await product.must(['whoami'])).stdout).toMatch(/^admin\n/);
    expect(await fails(['logout'])).toContain('holds no login');
  });

  it('step 4b: logout says so where the control plane has not heard of it', async () => {
    await product.must(['login', '--user', 'alice'], undefined, `${SECRET}\n`);
    const { token } = (await product.context()).session ?? { token: '' };
    const env = { HOSTWARD_CA: join(product.dataDir, 'up.json') };
    const { stdout, stderr } = await product.cli(['logout'], { env });
    expect(stdout).toBe('context/data: logged out\n');
    expect(stderr).toContain('did not hear of it');
    const rest = await product.rest();
    expect((await rest.get('/v1/whoami', { token })).status).toBe(200);
  });

  it('step 5: an API token is shown once, acts, is listed without itself, and is revoked', async () => {
    const args = ['create', 'api-token', 'ci', '--role', 'viewer', '--ttl', '1h', '-o', 'name'];
    const token = (await product.must(args)).stdout.trim();
    const env = { HOSTWARD_TOKEN: token };
    expect((await product.cli(['get', 'nodes'], { env })).code).toBe(0);
    expect((await product.cli(['delete', 'node', 'x'], { env })).stderr).toContain('nodes:write');
    const listed = await product.must(['get', 'api-tokens', '-o', 'json']);
    expect(listed.stdout).not.toContain(token);
    const [{ id }] = JSON.parse(listed.stdout) as [{ id: string }];
    await product.must(['delete', 'api-token', id]);
    expect((await product.cli(['get', 'nodes'], { env })).code).toBe(1);
    await product.must(['delete', 'user', 'alice']);
  });

  it('step 6: the audit log tells all of it, and is whole', async () => {
    const { stdout } = await product.must(['audit-log', 'list', '-o', 'json']);
    const actions = (JSON.parse(stdout) as { action: string }[]).map(({ action }) => action);
    for (const action of ['admin-token.made', 'user.created', 'login', 'logout', 'GET /v1/users'])
      expect(actions).toContain(action);
    expect((await product.must(['audit-log', 'verify'])).stdout).toMatch(/the audit log is whole/);
    expect((await product.must(['audit-log', 'verify', '--since', '3'])).code).toBe(0);
  });

  it('step 7: who holds the machine makes a new admin token; the old one ends, and the audit log says so', async () => {
    const { token: old } = await product.context();
    const running = ['up', '--detach', `--data-dir=${product.dataDir}`, '--reset-admin-token'];
    expect(await fails(running)).toContain('down');
    await product.stop();
    const listen = `--listen=127.0.0.1:${product.port}`;
    await product.must([...running, listen, '--no-local-agent'], 180_000);
    expect((await product.context()).token).not.toBe(old);
    const rest = await product.rest();
    expect((await rest.get('/v1/nodes', { token: old })).status).toBe(401);
    expect((await product.must(['whoami'])).stdout).toMatch(/^admin\n/);
    await eventually('the audit log says so', 60_000, async () =>
      (await product.must(['audit-log', 'list', '-o', 'json'])).stdout.includes(
        'admin-token.reset',
      ),
    );
    expect((await product.must(['audit-log', 'verify'])).code).toBe(0);
  });
});
