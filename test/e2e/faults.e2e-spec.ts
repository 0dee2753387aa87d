import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Alert, PolicyStatus } from '#contracts';
import { alertBatch } from '../../apps/control-plane/src/testing/alerts.js';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { listenersOf } from './support/listeners.js';
import { eventually } from './support/eventually.js';
import { isAlive } from './support/processes.js';
import { blockProgram } from './support/policies.js';
import { Product, type CliResult } from './support/product.js';
import { StandIns } from './support/stand-in-host.js';

const MINUTE = 60_000;
const PROD = { env: 'prod' };

/** Etcd or Redis away, at start and in the middle: what it says meanwhile, and that nothing is lost afterwards. */
describe('a store that stands still', () => {
  let product: Product;
  let standIns: StandIns;
  let host: TestHost;

  beforeAll(async () => {
    product = await Product.up();
    standIns = await StandIns.of(product);
    host = await standIns.host('web1', 'env=prod');
    await product.apply(blockProgram('kept', '/usr/bin/nc', PROD));
    await has(host, 'kept');
  }, 3 * MINUTE);
  afterEach(async () => {
    // A test that failed must not leave the next one, or `down`, without its stores.
    for (const name of ['etcd', 'redis', 'redis-events', 'control plane'])
      await product.signal(name, 'SIGCONT');
    await ready(product);
  }, 2 * MINUTE);
  afterAll(async () => {
    standIns?.close();
    await product?.down();
  }, MINUTE);

  const apply = (name: string, timeoutMs = MINUTE): Promise<CliResult> =>
    product.cli(['apply', '-f', '-'], {
      input: blockProgram(name, '/usr/bin/nc', PROD),
      timeoutMs,
    });

  it(
    'etcd in the middle: reads go on, writes and readiness say what is away, and all works afterwards',
    async () => {
      await product.signal('etcd', 'SIGSTOP');
      const refused = await apply('while-away');
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toContain('etcd');
      expect(refused.stderr).toMatch(/remedy: .*\/readyz/);
      expect((await product.must(['get', 'policies', '-o', 'name'])).stdout).toBe('kept\n');
      const unready = await without(product, 'etcd');
      expect(unready.checks['etcd']).toMatchObject({
        ok: false,
        detail: expect.stringContaining('watch'),
      });
      expect(unready.checks['redis']).toMatchObject({ ok: true });
      await product.signal('etcd', 'SIGCONT');
      await ready(product);
      expect((await apply('after-etcd')).code).toBe(0);
      await has(host, 'after-etcd');
    },
    5 * MINUTE,
  );

  it(
    'etcd at the start of the control plane: it serves, says so, and has everything when etcd is back',
    async () => {
      await product.signal('etcd', 'SIGSTOP');
      await restarted(product, 'control plane');
      const unready = await without(product, 'etcd');
      expect(unready.checks['etcd']).toMatchObject({
        ok: false,
        detail: expect.stringContaining('not read yet'),
      });
      const get = await product.cli(['get', 'policies']);
      expect(get).toMatchObject({ code: 1, stdout: '' });
      expect(get.stderr).toMatch(/^error: .*\nremedy: /);
      await product.signal('etcd', 'SIGCONT');
      await ready(product);
      expect((await product.must(['get', 'policies', '-o', 'name'])).stdout).toContain('kept\n');
      expect((await product.must(['get', 'nodes', '-o', 'name'])).stdout).toBe('web1\n');
    },
    5 * MINUTE,
  );

  it(
    'Redis in the middle: policies are taken and wait, readiness says so, and hosts get them afterwards',
    async () => {
      await product.signal('redis', 'SIGSTOP');
      expect(await apply('without-redis')).toMatchObject({ code: 0 });
      const unready = await without(product, 'redis');
      expect(unready.checks['etcd']).toMatchObject({ ok: true });
      const status = await product.cli(['status', 'policy', 'without-redis', '-o', 'json']);
      expect((JSON.parse(status.stdout) as PolicyStatus).nodes[0]?.state).not.toBe('enforced');
      await product.signal('redis', 'SIGCONT');
      await ready(product);
      await has(host, 'without-redis');
    },
    5 * MINUTE,
  );

  it(
    'Redis at the start of the control plane: it serves, says so, and delivers when Redis is back',
    async () => {
      await product.signal('redis', 'SIGSTOP');
      await restarted(product, 'control plane');
      await eventually('it has read etcd, and says what is away', MINUTE, async () => {
        const { status, checks } = await product.readiness();
        return status === 503 && checks['etcd']?.ok === true && checks['redis']?.ok === false;
      });
      expect(await apply('before-redis')).toMatchObject({ code: 0 });
      await product.signal('redis', 'SIGCONT');
      await ready(product);
      await has(host, 'before-redis');
    },
    5 * MINUTE,
  );

  it.each(['control plane', 'redis', 'redis-events'])(
    '%s, as a thousand clients come at once: they wait, and none is cut off',
    async (name) => {
      const pid = await product.signal(name, 'SIGSTOP');
      const [port = 0] = [...(await listenersOf([pid])).keys()];
      const clients = Array.from({ length: 1_000 }, () => new RawClient(port));
      await Promise.all(clients.map(({ letIn }) => letIn));
      // What the kernel dropped it answers to the next bytes by a reset; they come again after 0.2, 0.6, … 6.2 and 12.6 s.
      await delay(15_000);
      expect(clients.flatMap(({ error }) => error ?? [])).toEqual([]);
      clients.forEach((client) => client.leave());
      await product.signal(name, 'SIGCONT');
      await ready(product);
    },
    3 * MINUTE,
  );

  it(
    'both killed at once, with alerts on their way: no policy, host or alert is lost',
    async () => {
      await host.send(alertBatch('kept', 1, 3));
      await eventually('stored', MINUTE, async () => (await alerts(product)).length === 3);
      const killed = await Promise.all([
        product.signal('etcd', 'SIGKILL'),
        product.signal('redis', 'SIGKILL'),
        product.signal('control plane', 'SIGKILL'),
      ]);
      await eventually('all run again', MINUTE, async () => {
        const { children } = await product.record();
        const now = Object.values(children);
        const areNew = !now.some((pid) => killed.includes(pid));
        return areNew && (await Promise.all(now.map(isAlive))).every(Boolean);
      });
      await ready(product);
      await has(host, 'kept');
      await eventually('the next alerts are taken', MINUTE, async () => {
        await host.send(alertBatch('kept', 2, 5));
        return (await alerts(product)).length === 5;
      });
      expect((await product.must(['get', 'nodes', '-o', 'name'])).stdout).toBe('web1\n');
      const names = (await product.must(['get', 'policies', '-o', 'name'])).stdout.split('\n');
      // What etcd was sent while it stood still, it may have done or not when it went on.
      expect(names.filter((name) => name !== 'while-away')).toEqual([
        'after-etcd',
        'before-redis',
        'kept',
        'without-redis',
        '',
      ]);
    },
    5 * MINUTE,
  );
});

const mountable = await canMount();
(mountable ? describe : describe.skip)(
  `a disk that is full${mountable ? '' : ' (skipped: a tmpfs cannot be mounted here)'}`,
  () => {
    let product: Product;
    let standIns: StandIns;
    let disk: string;

    beforeAll(async () => {
      product = await Product.prepare();
      disk = join(product.dataDir, 'control-plane');
      await mkdir(disk, { recursive: true, mode: 0o700 });
      await mount(disk, '16m');
      await product.start();
      standIns = await StandIns.of(product);
    }, 3 * MINUTE);
    afterAll(async () => {
      standIns?.close();
      await product?.stop();
      await promisify(execFile)('umount', [disk]).catch(() => undefined);
      await product?.remove();
    }, MINUTE);

    it(
      'keeps alerts where they are, takes no change that the audit log cannot keep, says so, and goes on when there is room',
      async () => {
        const host = await standIns.host('web1', 'env=prod');
        await eventually('it is delivered to', MINUTE, () => host.fetch());
        await host.send(alertBatch('p', 1, 2));
        await eventually('stored', MINUTE, async () => (await alerts(product)).length === 2);
        const ballast = join(disk, 'ballast');
        await fill(ballast);
        for (let i = 0; i < 8; i++) await host.send(alertBatch('p', 3 + i * 250, 252 + i * 250));
        const unready = await without(product, 'alerts');
        expect(unready.checks['alerts']).toMatchObject({
          ok: false,
          detail: expect.stringMatching(/full/),
        });
        // One change may stand, with its entry in etcd; the next may not.
        const refused = await eventually('a change is refused', MINUTE, async () => {
          const input = blockProgram(`full-${Date.now()}`, '/usr/bin/nc', { env: 'other' });
          const answer = await product.cli(['apply', '-f', '-'], { input });
          return answer.code !== 0 && answer;
        });
        expect(refused.stderr).toMatch(/audit log cannot be written .*disk full.*remedy: .*room/s);
        expect(await product.cli(['logs', '--limit', '5'])).toMatchObject({ code: 0 });
        expect(await host.fetch()).toBeDefined();
        expect(await host.cursor()).not.toBe('1000-0000002002');
        await rm(ballast);
        await eventually(
          'all are stored',
          MINUTE,
          async () => (await host.cursor()) === '1000-0000002002',
        );
        await ready(product);
        await product.apply(blockProgram('after-full-disk', '/usr/bin/nc', PROD));
        await has(host, 'after-full-disk');
        const json = (await product.must(['logs', '--json', '--limit', '1000'])).stdout;
        expect(json.trimEnd().split('\n')).toHaveLength(1_000);
      },
      3 * MINUTE,
    );

    it(
      'does not keep the control plane from starting again',
      async () => {
        const ballast = join(disk, 'ballast');
        await fill(ballast);
        await restarted(product, 'control plane');
        await eventually(
          'it answers',
          MINUTE,
          async () => (await product.cli(['get', 'nodes'])).code === 0,
        );
        await rm(ballast);
        await ready(product);
      },
      2 * MINUTE,
    );
  },
);

/** Connects, and says something that nobody reads. */
class RawClient {
  error: Error | undefined;
  readonly letIn: Promise<unknown>;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1', () => this.#socket.write('a hello'));
    this.#socket.on('error', (error) => (this.error = error));
    this.letIn = once(this.#socket, 'connect');
  }

  leave(): void {
    this.#socket.destroy();
  }
}

/** Waits until a policy has come to a host through the whole product. */
async function has(host: TestHost, policy: string): Promise<void> {
  await eventually(`${host.name} has ${policy}`, MINUTE, async () => {
    const delivery = await host.fetch();
    return delivery?.policies.some(({ name }) => name === policy);
  });
}

/** Waits until it says that it is not ready, and that this is what is not well. */
function without(product: Product, name: string): ReturnType<Product['readiness']> {
  return eventually(`it is without ${name}`, MINUTE, async () => {
    const now = await product.readiness();
    return now.status === 503 && now.checks[name]?.ok === false && now;
  });
}

async function ready(product: Product): Promise<void> {
  await eventually('ready', MINUTE, async () => (await product.readiness()).status === 200);
}

async function restarted(product: Product, name: string): Promise<void> {
  const killed = await product.signal(name, 'SIGKILL');
  await eventually(`${name} runs again`, MINUTE, async () => {
    const pid = (await product.record()).children[name] ?? 0;
    return pid !== killed && (await isAlive(pid));
  });
}

async function alerts(product: Product): Promise<Alert[]> {
  return JSON.parse((await product.must(['get', 'alerts', '-o', 'json'])).stdout) as Alert[];
}

/** Writes until nothing more fits. */
async function fill(file: string): Promise<void> {
  await writeFile(file, Buffer.alloc(64 * 1024 * 1024)).catch((error: NodeJS.ErrnoException) =>
    expect(error.code).toBe('ENOSPC'),
  );
}

async function mount(folder: string, size: string): Promise<void> {
  await promisify(execFile)('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${size},mode=0700`,
    'tmpfs',
    folder,
  ]);
}

async function canMount(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const folder = join('/tmp', `hostward-mount-${process.pid}`);
  await mkdir(folder);
  try {
    await mount(folder, '1m');
    await promisify(execFile)('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true });
  }
}
