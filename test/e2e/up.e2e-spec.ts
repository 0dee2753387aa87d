import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, kill } from 'node:process';
import { parse } from 'yaml';
import type { Alert, NodeView, PolicyView } from '#contracts';
import { freePort } from '#testing';
import { alertBatch } from '../../apps/control-plane/src/testing/alerts.js';
import { runningUp } from '../../apps/cli/src/embedded/run-record.js';
import { eventually } from './support/eventually.js';
import { blockProgram } from './support/policies.js';
import { isAlive, isListening, processesOf } from './support/processes.js';
import { cleanEnvironment, Product, type CliResult } from './support/product.js';
import { CLI, RunningCommand, hostward, startHostward } from './support/running-command.js';
import { StandIns } from './support/stand-in-host.js';

const MINUTE = 60_000;
jest.setTimeout(2 * MINUTE);
const TOKEN = /hwa_[\w-]{43}/;

/** The product as `./hostward up` starts it; one product over all steps of the first suite. */
describe('up, through the shell script', () => {
  let product: Product;
  let first: CliResult;
  let token = '';

  beforeAll(async () => {
    product = await Product.prepare();
    first = await hostward(
      ['up', '--detach', `--data-dir=${product.dataDir}`, `--listen=127.0.0.1:${product.port}`],
      { XDG_CONFIG_HOME: product.configHome },
    );
    token = TOKEN.exec(first.stdout)?.[0] ?? '';
  }, 3 * MINUTE);
  afterAll(() => product?.down(), MINUTE);

  const json = async <T>(...args: string[]): Promise<T> =>
    JSON.parse((await product.must([...args, '-o', 'json'])).stdout) as T;
  const allPids = async (): Promise<number[]> => {
    const { pid, children } = await product.record();
    return [pid, ...Object.values(children)];
  };

  it('step 1: prints URL, fingerprint and token, and how to go on', async () => {
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain(`URL             https://127.0.0.1:${product.port}\n`);
    expect(first.stdout).toMatch(/CA fingerprint {2}[0-9a-f]{64}\n/);
    expect(token).not.toBe('');
    expect(first.stdout).toContain('./hostward get nodes');
    expect(first.stdout).toContain('./hostward down');
    const lines = first.stdout.split('\n').filter((line) => !line.includes(product.dataDir));
    expect(lines.filter((line) => line.length > 110)).toEqual([]);
    await eventually('this machine is a node', MINUTE, async () => {
      const nodes = await json<NodeView[]>('get', 'nodes');
      return nodes[0]?.connected && nodes[0].enforcer === 'observe';
    });
  });

  it('step 2: leaves the token in the context alone, which only its owner may read', async () => {
    const folder = join(product.configHome, 'hostward');
    expect((await stat(join(folder, 'config.yaml'))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(product.dataDir)).mode & 0o777).toBe(0o700);
    expect(await product.context()).toMatchObject({ token });
    for (const file of await readdir(product.dataDir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const bytes = await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0));
      expect([file.name, bytes.includes(token)]).toEqual([file.name, false]);
    }
  });

  it('step 3: a second up says what runs, shows no token and changes nothing', async () => {
    const before = await product.record();
    const second = await hostward(['up', `--data-dir=${product.dataDir}`]);
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toContain(`is up already (pid ${before.pid})`);
    for (const name of ['etcd', 'redis', 'redis-events', 'control plane', 'agent'])
      expect(second.stdout).toContain(`${name} ${before.children[name] ?? ''}`);
    expect(second.stdout).not.toMatch(TOKEN);
    expect(await product.record()).toEqual(before);
  });

  it.each(['etcd', 'redis', 'redis-events', 'control plane', 'agent'])(
    'step 4: %s is started again after kill -9, and the product works again',
    async (name) => {
      const killed = await product.signal(name, 'SIGKILL');
      await eventually(`${name} runs again`, MINUTE, async () => {
        const pid = (await product.record()).children[name] ?? 0;
        return pid !== killed && (await isAlive(pid));
      });
      const policy = `after-${name.replace(' ', '-')}`;
      await eventually('a policy is taken', MINUTE, async () => {
        const args = ['apply', '-f', '-', '--all-hosts'];
        return (await product.cli(args, { input: forAllHosts(policy) })).code === 0;
      });
      // `unsupported` is what this machine's own agent says of it, which has read it from Redis.
      await eventually('this machine has reported on it', MINUTE, async () =>
        (await product.cli(['status', 'policy', policy])).stdout.includes('unsupported'),
      );
      await eventually('ready', MINUTE, async () => (await product.readiness()).status === 200);
      expect(await product.log('up')).toContain(`${name} ended (SIGKILL), starting it again`);
    },
    5 * MINUTE,
  );

  it(
    'step 5: down stops all in the reverse order of their start and leaves nothing that runs or listens',
    async () => {
      const standIns = await StandIns.of(product);
      const host = await standIns.host('web1', 'env=prod');
      await eventually('it is delivered to', MINUTE, () => host.fetch());
      await host.send(alertBatch('after-etcd', 1, 3));
      await eventually('its alerts are stored', MINUTE, async () => {
        return (await json<Alert[]>('get', 'alerts')).length === 3;
      });
      standIns.close();
      const [pid = 0, ...children] = await allPids();
      const ports = JSON.parse(
        await readFile(join(product.dataDir, 'ports.json'), 'utf8'),
      ) as object;
      const down = await hostward(['down', `--data-dir=${product.dataDir}`]);
      expect(down).toMatchObject({ code: 0, stdout: 'Hostward is down.\n', stderr: '' });
      expect(await living(children)).toEqual([]);
      // It has said its last word, and gives its memory back.
      await eventually('up itself is gone', MINUTE, async () => (await living([pid])).length === 0);
      expect(await processesOf(product.dataDir)).toEqual([]);
      for (const port of [product.port, ...(Object.values(ports) as number[])])
        expect([port, await isListening(port)]).toEqual([port, false]);
      const stopped = (await product.log('up')).match(/stopped .*/g);
      expect(stopped).toEqual([
        'stopped agent',
        'stopped control plane',
        'stopped redis-events',
        'stopped redis',
        'stopped etcd',
      ]);
      const again = await hostward(['down', `--data-dir=${product.dataDir}`]);
      expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('is not up') });
    },
    5 * MINUTE,
  );

  it(
    'step 6: the next up has policies, nodes and alerts of before, and shows no token',
    async () => {
      const up = await product.start(true);
      expect(up.stdout).not.toMatch(TOKEN);
      expect(up.stdout).toContain('(shown at the first start only)');
      const policies = await json<PolicyView[]>('get', 'policies');
      expect(policies.map(({ name }) => name)).toContain('after-etcd');
      const nodes = await json<NodeView[]>('get', 'nodes');
      expect(nodes.map(({ name }) => name)).toContain('web1');
      expect(nodes).toHaveLength(2);
      expect(await json<Alert[]>('get', 'alerts')).toHaveLength(3);
    },
    5 * MINUTE,
  );

  it(
    'step 7: an up that was killed itself leaves nothing that the next up or down does not end',
    async () => {
      const pids = await allPids();
      kill(pids[0] ?? 0, 'SIGKILL');
      await eventually('it is gone', MINUTE, async () => !(await isAlive(pids[0] ?? 0)));
      const up = await product.start();
      // A program that logs something meanwhile ends by itself: nobody reads what it says any more.
      expect(up.stderr).toMatch(/ended what it left: (etcd, )?redis/);
      expect(await living(pids)).toEqual([]);
      expect((await product.readiness()).status).toBe(200);
      const next = await allPids();
      kill(next[0] ?? 0, 'SIGKILL');
      const down = await product.must(['down', `--data-dir=${product.dataDir}`]);
      expect(down.stdout).toBe('Hostward is down.\n');
      expect(await processesOf(product.dataDir)).toEqual([]);
    },
    5 * MINUTE,
  );
});

describe('the control planes that a user knows', () => {
  let one: Product;
  let two: Product;

  beforeAll(async () => {
    one = await Product.up();
    two = await Product.prepare({ configHome: one.configHome });
  }, 3 * MINUTE);
  afterAll(() => Promise.all([two?.down(), one?.down()]), MINUTE);

  const currentOf = async (): Promise<{ current: string; names: string[] }> => {
    const text = await readFile(join(one.configHome, 'hostward', 'config.yaml'), 'utf8');
    const { current, contexts } = parse(text) as { current: string; contexts: object };
    return { current, names: Object.keys(contexts) };
  };

  it(
    'keep their contexts when another up is run, which becomes the current one and says so',
    async () => {
      await one.apply(blockProgram('of-one', '/usr/bin/nc', { env: 'x' }));
      const up = await two.start();
      expect(up.stdout).toContain('context         data-2, current, in ');
      expect(up.stdout).toContain('The current context was data: `./hostward context use data`');
      expect(await currentOf()).toEqual({ current: 'data-2', names: ['data', 'data-2'] });
      expect((await one.must(['get', 'policies', '-o', 'name'])).stdout).toBe('');
      const named = await one.must(['--context', 'data', 'get', 'policies', '-o', 'name']);
      expect(named.stdout).toBe('of-one\n');
      const env = { HOSTWARD_CONTEXT: 'data' };
      expect((await one.cli(['get', 'policies', '-o', 'name'], { env })).stdout).toBe('of-one\n');
      expect((await one.must(['context', 'use', 'data'])).stdout).toContain(
        'context/data is current',
      );
      expect((await one.must(['get', 'policies', '-o', 'name'])).stdout).toBe('of-one\n');
      const table = (await one.must(['context', 'list'])).stdout;
      expect(table).toMatch(/^\* {8}data /m);
      expect(table).not.toMatch(TOKEN);
    },
    5 * MINUTE,
  );

  it(
    'are told apart at one address: what is kept of the audit log of one is not asked of another',
    async () => {
      const verified = async (): Promise<{ whole: boolean; first: boolean }> => {
        const { stdout } = await one.must(['audit-log', 'verify']);
        const [whole, first] = ['the audit log is whole', 'first run here'];
        return { whole: stdout.includes(whole), first: stdout.includes(first) };
      };
      const { configHome, port } = two;
      const three = await Product.prepare({ configHome, port });
      try {
        await two.must(['context', 'use', 'data-2']);
        expect(await verified()).toEqual({ whole: true, first: true });
        expect(await verified()).toEqual({ whole: true, first: false });
        await two.stop();
        await three.start();
        expect(await verified()).toEqual({ whole: true, first: true });
        await three.stop();
        await two.start();
        expect(await verified()).toEqual({ whole: true, first: false });
      } finally {
        await three.down();
        await one.must(['context', 'delete', 'data-3']);
        await one.must(['context', 'use', 'data']);
      }
    },
    5 * MINUTE,
  );

  it('are added from standard input and forgotten by name; an unknown one is a wrong usage', async () => {
    const { url, token, ca } = await one.context();
    const file = join(one.dataDir, '..', 'ca.pem');
    await writeFile(file, ca);
    const args = ['context', 'add', 'third', `--url=${url}`, `--ca=${file}`];
    await one.must(args, undefined, `${token}\n`);
    expect((await one.must(['--context=third', 'get', 'policies', '-o', 'name'])).stdout).toBe(
      'of-one\n',
    );
    await one.must(['context', 'delete', 'third']);
    const unknown = await one.cli(['--context', 'third', 'get', 'nodes']);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain('there is no context "third"');
  });

  it('are overridden by HOSTWARD_URL, HOSTWARD_TOKEN and HOSTWARD_CA, without any file', async () => {
    const { url, token } = await one.context();
    const env = {
      XDG_CONFIG_HOME: join(one.configHome, 'nowhere'),
      HOSTWARD_URL: url,
      HOSTWARD_TOKEN: token,
      HOSTWARD_CA: join(one.dataDir, 'control-plane', 'pki', 'ca.pem'),
    };
    const run = (over: Record<string, string>): Promise<CliResult> =>
      one.cli(['get', 'policies', '-o', 'name'], { env: { ...env, ...over } });
    expect(await run({})).toEqual({ code: 0, stdout: 'of-one\n', stderr: '' });
    const cases: [Record<string, string>, RegExp, RegExp][] = [
      [{ HOSTWARD_URL: '' }, /no control plane is known/, /remedy: run `\.\/hostward up`/],
      [
        { HOSTWARD_URL: 'http://127.0.0.1:1' },
        /HOSTWARD_URL .* is not https:/,
        /remedy: e\.g\. https/,
      ],
      [
        { HOSTWARD_URL: `${url}/hw` },
        /goes on with "\/hw"/,
        /remedy: write .*, also behind a proxy/,
      ],
      [{ HOSTWARD_URL: 'https://127.0.0.1:1' }, /cannot reach .*ECONNREFUSED/, /is it running/],
      [{ HOSTWARD_CA: '' }, /certificate/, /remedy: .*HOSTWARD_CA/],
      [{ HOSTWARD_CA: '/nowhere/ca.pem' }, /HOSTWARD_CA: cannot read/, /remedy: name the PEM/],
      [{ HOSTWARD_TOKEN: 'wrong' }, /token/, /remedy: log in .*HOSTWARD_TOKEN/],
      [{ HOSTWARD_TOKEN: 'a\nb' }, /characters that no token has/, /line ends/],
    ];
    for (const [over, message, remedy] of cases) {
      const { code, stdout, stderr } = await run(over);
      expect({ over, code, stdout }).toEqual({ over, code: 1, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(remedy);
      expect(stderr).not.toContain(token);
    }
  });

  it('are not overwritten where the file cannot be understood', async () => {
    const configHome = join(one.configHome, 'broken');
    const file = join(configHome, 'hostward', 'config.yaml');
    await mkdir(join(configHome, 'hostward'), { recursive: true });
    await writeFile(file, 'contexts: [what is this');
    const { code, stderr } = await one.cli(['context', 'use', 'data'], {
      env: { XDG_CONFIG_HOME: configHome },
    });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('is not YAML') });
    expect(await readFile(file, 'utf8')).toBe('contexts: [what is this');
  });
});

describe('an up that cannot run', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostward-e2e-'));
    env = { XDG_CONFIG_HOME: join(folder, 'config') };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([[[]], [['--detach']]])(
    'says that its port is taken and leaves nothing behind (%j)',
    async (more: string[]) => {
      const server = createServer();
      const port = await new Promise<number>((resolve) =>
        server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
      );
      const dataDir = join(folder, 'taken');
      const args = ['up', ...more, `--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`];
      const { code, stdout, stderr } = await hostward(args, env);
      server.close();
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`the address 127.0.0.1:${port} (--listen) is taken`);
      expect(stderr).toContain('remedy: `ss -ltnp');
      expect(await readdir(folder)).toEqual([]);
      expect(await processesOf(folder)).toEqual([]);
    },
  );

  it('makes no admin token where contexts cannot be read or written', async () => {
    const broken = join(folder, 'broken-contexts');
    await mkdir(join(broken, 'hostward'), { recursive: true });
    await writeFile(join(broken, 'hostward', 'config.yaml'), 'contexts: [what is this');
    const dataDir = join(folder, 'no-token');
    const args = ['up', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${await freePort()}`];
    for (const [configHome, words] of [
      [broken, 'config.yaml is not YAML'],
      // Where not even root makes a folder.
      ['/sys', 'cannot write /sys/hostward/config.yaml'],
    ] as const) {
      const { code, stderr } = await hostward(args, { XDG_CONFIG_HOME: configHome });
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(words) });
      expect(await readdir(dataDir)).not.toContain('control-plane');
    }
    for (const each of [broken, dataDir]) await rm(each, { recursive: true });
  });

  it('says that an address is not of this machine, or no address', async () => {
    const at = (listen: string): Promise<CliResult> =>
      hostward(['up', `--data-dir=${join(folder, 'no')}`, `--listen=${listen}`], env);
    expect(await at('192.0.2.1:7443')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('this machine has no such address'),
    });
    for (const listen of ['nonsense', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:99999', ':7443'])
      expect(await at(listen)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('is not ADDRESS:PORT'),
      });
    expect(await readdir(folder)).toEqual([]);
  });

  it(
    'goes on serving, and stops in order, where nobody reads what it says any more',
    async () => {
      const lonely = await Product.prepare();
      const { dataDir, port } = lonely;
      const args = ['up', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`];
      const child = spawn(execPath, [...CLI, ...args, '--no-local-agent'], {
        env: { ...cleanEnvironment(), XDG_CONFIG_HOME: lonely.configHome },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const read of [child.stdout, child.stderr]) read.destroy();
      const ended = once(child, 'exit');
      await eventually('it is up', MINUTE, () => runningUp(dataDir));
      for (let i = 0; i < 2; i++) await lonely.must(['get', 'nodes']);
      expect(child.exitCode).toBeNull();
      const children = Object.values((await lonely.record()).children);
      expect(await lonely.must(['down', `--data-dir=${dataDir}`])).toMatchObject({ stderr: '' });
      expect([await ended, await living(children)]).toEqual([[0, null], []]);
      expect(await readdir(dataDir)).not.toContain('up.json');
      await lonely.down();
    },
    3 * MINUTE,
  );

  it('says that a data folder cannot be used', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const port = await freePort();
    for (const dataDir of [file, join(file, 'below'), '/proc/below']) {
      const args = ['up', '--detach', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`];
      const { code, stderr } = await hostward(args, env);
      expect({ dataDir, code }).toEqual({ dataDir, code: 1 });
      expect(stderr).toContain(`data folder ${dataDir}`);
      expect(stderr).toContain('remedy: name another folder by --data-dir');
    }
    await rm(file);
  });

  const asNobody = process.getuid?.() === 0 ? it : it.skip;
  asNobody(
    'says that a data folder is not writable, for a user who is not root (needs root)',
    async () => {
      const dataDir = join(folder, 'roots');
      await mkdir(dataDir, { mode: 0o755 });
      await chmod(folder, 0o755);
      const { code, stderr } = await RunningCommand.cli(
        ['up', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${await freePort()}`],
        {
          uid: 65_534,
          env: { HOME: '/nonexistent' },
        },
      ).ended;
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/cannot use the data folder .*EACCES[^]*remedy: /),
      });
      await rm(dataDir, { recursive: true });
    },
  );

  it(
    'says what a part said that would not start, at once, and stops the others',
    async () => {
      const dataDir = join(folder, 'broken');
      await mkdir(join(dataDir, 'etcd', 'member', 'wal'), { recursive: true });
      await writeFile(
        join(dataDir, 'etcd', 'member', 'wal', '0000000000000000-0000000000000000.wal'),
        'x',
      );
      const port = await freePort();
      const args = ['up', '--detach', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`];
      const { code, stdout, stderr } = await hostward(args, env);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('etcd ended (');
      expect(stderr).toContain('its log is ');
      expect(await processesOf(dataDir)).toEqual([]);
      expect(await hostward(['down', `--data-dir=${dataDir}`])).toMatchObject({ code: 0 });
    },
    5 * MINUTE,
  );
});

describe('an up that listens on every address of this machine', () => {
  let product: Product;
  beforeAll(async () => {
    product = await Product.prepare();
  });
  afterAll(() => product?.down(), MINUTE);

  it(
    'is reached on loopback by the commands and by the agent of this machine',
    async () => {
      const up = await product.must(
        ['up', '--detach', `--data-dir=${product.dataDir}`, `--listen=0.0.0.0:${product.port}`],
        2 * MINUTE,
      );
      expect(up.stdout).toContain(`URL             https://127.0.0.1:${product.port}\n`);
      await eventually('its agent is connected', MINUTE, async () =>
        /enrolled +yes +observe/.test((await product.must(['get', 'nodes'])).stdout),
      );
    },
    5 * MINUTE,
  );
});

describe('an up in the background whose command is broken off before it serves', () => {
  let product: Product;
  beforeAll(async () => {
    product = await Product.prepare();
  });
  afterAll(() => product?.down(), MINUTE);

  it(
    'comes to serve, and goes on',
    async () => {
      const { dataDir, port, configHome } = product;
      const args = [`--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`, '--no-local-agent'];
      const command = RunningCommand.cli(['up', '--detach', ...args], {
        env: { XDG_CONFIG_HOME: configHome },
      });
      await eventually('it starts', MINUTE, async () => (await product.record()).pid, 20);
      await command.stop();
      expect(command.stdout).toBe('');
      await eventually('it serves', 2 * MINUTE, async () => (await product.record()).ready);
      const down = await product.must(['down', `--data-dir=${dataDir}`]);
      // One that had ended by itself would have left its programs to be ended here.
      expect(down).toMatchObject({ stdout: 'Hostward is down.\n', stderr: '' });
    },
    5 * MINUTE,
  );
});

describe('an up in the foreground', () => {
  let product: Product;
  beforeAll(async () => {
    product = await Product.prepare();
  });
  afterAll(() => product?.down(), MINUTE);

  const start = (env: NodeJS.ProcessEnv = {}): RunningCommand =>
    startHostward(
      [
        'up',
        '--no-local-agent',
        `--data-dir=${product.dataDir}`,
        `--listen=127.0.0.1:${product.port}`,
      ],
      { XDG_CONFIG_HOME: product.configHome, ...env },
    );

  it(
    'ends when it is told to in the middle of its start, with all it had started',
    async () => {
      const up = start({ PATH: await withEtcdThatNeverServes(product) });
      await eventually('etcd runs', MINUTE, async () => (await product.record()).children['etcd']);
      const status = await product.cli(['up', `--data-dir=${product.dataDir}`]);
      expect(status.stdout).toContain('Hostward is starting or stopping');
      const down = await product.must(['down', `--data-dir=${product.dataDir}`]);
      expect(down.stdout).toBe('Hostward is down.\n');
      expect(await up.ended).toMatchObject({ code: 0 });
      expect(up.stderr).toContain('stopped while it was starting');
      expect(await processesOf(product.dataDir)).toEqual([]);
    },
    5 * MINUTE,
  );

  it(
    'stops in order at Ctrl-C, also when it is pressed again and again',
    async () => {
      const up = start();
      await eventually('it serves', 2 * MINUTE, () =>
        Promise.resolve(up.stdout.includes('Hostward is up.')),
      );
      up.signal('SIGINT');
      await eventually('it stops', MINUTE, () => Promise.resolve(up.stderr.includes('stopping')));
      // To its very end, where no program has handlers any more that leaves its end to Node.
      const again = setInterval(() => up.signal('SIGINT'), 5);
      const { code, stderr } = await up.ended;
      clearInterval(again);
      expect({ code, restarts: stderr.includes('starting it again') }).toEqual({
        code: 0,
        restarts: false,
      });
      expect(stderr.match(/stopped .*/g)).toEqual([
        'stopped control plane',
        'stopped redis-events',
        'stopped redis',
        'stopped etcd',
      ]);
      expect(await processesOf(product.dataDir)).toEqual([]);
    },
    5 * MINUTE,
  );
});

/** A search path on which etcd starts and does nothing, so that a start stays in its middle. */
async function withEtcdThatNeverServes(product: Product): Promise<string> {
  const folder = join(product.dataDir, '..', 'bin');
  await mkdir(folder);
  await writeFile(join(folder, 'etcd'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
  return `${folder}:${process.env['PATH'] ?? ''}`;
}

/** Those of the processes that are there. */
async function living(pids: readonly number[]): Promise<number[]> {
  const alive = await Promise.all(pids.map(isAlive));
  return pids.filter((_pid, i) => alive[i]);
}

function forAllHosts(name: string): string {
  return blockProgram(name, '/usr/bin/nc', { 'hostward.io/all-hosts': 'true' });
}
