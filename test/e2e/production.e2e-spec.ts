import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, kill } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectRedis, type RedisConnection } from '#redis';
import { ServerProcess, freePort } from '#testing';
import { Rest } from '../../apps/control-plane/src/testing/rest.js';
import { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { eventually } from './support/eventually.js';
import { blockProgram } from './support/policies.js';
import { cleanEnvironment, projectRoot } from './support/product.js';

const MINUTE = 60_000;
const MACHINES = [1, 2, 3] as const;
/** Comes in the place of the first. */
const SPARE = 4;
const PROD = { env: 'prod' };
const run = promisify(execFile);

type Machine = (typeof MACHINES)[number] | typeof SPARE;

/**
 * Three machines, as the guide sets them up: their settings are those of packaging/hostward/examples, with addresses of
 * the loopback, ports that are free, and folders of this test in the place of those of the machine.
 */
describe('a control plane of three machines', () => {
  let root: string;
  let ports: Record<'etcd' | 'peer' | 'redis' | 'events' | 'sentinel' | 'https', number>;
  let token: string;
  let host: TestHost;
  let ca: Buffer;
  /** Whether the first machine is gone for good. */
  let isReplaced = false;
  const running = new Map<string, ServerProcess>();
  const connections: RedisConnection[] = [];

  const address = (machine: Machine): string => `127.0.0.${machine}`;
  const dataDir = (machine: Machine): string => join(root, `cp${machine}`);
  const log = (machine: Machine): string => join(root, `cp${machine}.log`);
  const config = (machine: Machine): string => join(dataDir(machine), 'control-plane.yaml');

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'hostward-production-'));
    const [etcd = 0, peer = 0, redis = 0, events = 0, sentinel = 0, https = 0] = await Promise.all(
      Array.from({ length: 6 }, () => freePort()),
    );
    ports = { etcd, peer, redis, events, sentinel, https };
    token = await initialise(1);
    ca = await readFile(join(dataDir(1), 'pki/ca.pem'));
    for (const machine of [2, 3] as const) {
      await takeKeys(machine, 1);
      await initialise(machine);
    }
    await Promise.all(MACHINES.map(startEtcd));
    for (const machine of [1, 2] as const) await startBothRedis(machine);
    await controlPlane(['follow-redis', `--config=${config(2)}`, `--at=${address(2)}`]);
    for (const machine of MACHINES) await startSentinel(machine);
    await Promise.all(MACHINES.map((machine) => startControlPlane(machine)));
    const rest = restOf(1);
    const { body } = await rest.post('/v1/join-tokens', { labels: PROD });
    host = new TestHost('web1', rest);
    expect((await host.enroll(String(body['token']))).status).toBe(200);
    host.attach(redisOf());
  }, 4 * MINUTE);
  afterAll(async () => {
    for (const connection of connections) connection.close();
    for (const server of running.values()) await server.stop();
    await rm(root, { recursive: true, force: true });
  }, MINUTE);

  /** What init is told in the guide; `master` has the Redis that are the masters. */
  async function initialise(machine: Machine, master: Machine = 1): Promise<string> {
    const { stdout } = await controlPlane([
      ...['init', `--data-dir=${dataDir(machine)}`, `--listen=${address(machine)}:${ports.https}`],
      // All addresses: here each control plane tells Redis of certificates in a folder of its own.
      ...[`--names=cp${machine}.example,${([...MACHINES, SPARE] as const).map(address).join(',')}`],
      ...[`--etcd=https://${address(machine)}:${ports.etcd}`],
      ...[`--redis=${address(master)}:${ports.redis}`, '--redis-replicas'],
      `--redis-events=${address(master)}:${ports.events}`,
    ]);
    return (JSON.parse(stdout) as { adminToken?: string }).adminToken ?? '';
  }

  /** Keys and authorities are those of another machine; certificates are its own, and the root key stays where it was. */
  async function takeKeys(machine: Machine, from: Machine): Promise<void> {
    const mine = `--data-dir=${dataDir(machine)}`;
    const { stdout: request } = await controlPlane(['request-keys', mine]);
    const to = ['--to', request.trim()];
    const { stdout: sealed } = await controlPlane([
      'share-keys',
      `--data-dir=${dataDir(from)}`,
      ...to,
    ]);
    await controlPlane(['take-keys', mine], sealed);
  }

  async function example(name: string, machine: Machine): Promise<string> {
    const text = await readFile(join(projectRoot, 'packaging/hostward/examples', name), 'utf8');
    const mine = text
      .replace(
        /^(ETCD_NAME=cp|ETCD_(?:LISTEN|ADVERTISE|INITIAL_ADVERTISE)\S*10\.0\.0\.)1/gm,
        `$1${machine}`,
      )
      .replace(
        /^(bind|replica-announce-ip|sentinel announce-ip) 10\.0\.0\.1$/gm,
        `$1 10.0.0.${machine}`,
      );
    return (isReplaced ? withSpare(name, mine) : mine)
      .replaceAll('10.0.0.', '127.0.0.')
      .replaceAll('/var/lib/hostward-control-plane', dataDir(machine))
      .replaceAll('/var/lib/hostward-etcd', join(root, `etcd${machine}`))
      .replaceAll(/\/run\/hostward-redis(?:-events)?/g, root)
      .replaceAll('/var/lib/hostward-redis-sentinel', join(root, `sentinel${machine}`))
      .replaceAll(/\b2379\b/g, `${ports.etcd}`)
      .replaceAll(/\b2380\b/g, `${ports.peer}`)
      .replaceAll(/\b6379\b/g, `${ports.redis}`)
      .replaceAll(/\b6380\b/g, `${ports.events}`)
      .replaceAll(/\b26379\b/g, `${ports.sentinel}`);
  }

  async function environment(name: string, machine: Machine): Promise<string[]> {
    const lines = (await example(name, machine)).split('\n');
    return lines.filter((line) => /^[A-Z]/.test(line));
  }

  async function startEtcd(machine: Machine): Promise<void> {
    const args = [...(await environment('etcd.env', machine)), 'ETCD_LOG_LEVEL=info', 'etcd'];
    const ready = /serving client traffic/;
    running.set(`etcd${machine}`, await ServerProcess.start({ command: 'env', args, ready }));
  }

  async function startRedis(machine: Machine, name: string, more = ''): Promise<void> {
    const file = join(root, `${name}${machine}.conf`);
    await writeFile(file, (await example(`${name}.conf`, machine)) + more, { mode: 0o600 });
    const ready = /Ready to accept connections/;
    const server = await ServerProcess.start({ command: 'redis-server', args: [file], ready });
    running.set(`${name}${machine}`, server);
  }

  async function startBothRedis(machine: Machine): Promise<void> {
    const lines = await example('redis-replica.conf', machine);
    for (const name of ['redis', 'redis-events']) await startRedis(machine, name, lines);
  }

  async function startSentinel(machine: Machine): Promise<void> {
    const login = await readFile(join(dataDir(machine), 'redis/sentinel-login.conf'), 'utf8');
    const file = join(root, `sentinel${machine}/sentinel.conf`);
    await mkdir(join(root, `sentinel${machine}`));
    const text = await example('redis-sentinel.conf', machine);
    await writeFile(file, text + login, { mode: 0o600 });
    const args = [file, '--sentinel'];
    const ready = /\+monitor master/;
    const server = await ServerProcess.start({ command: 'redis-server', args, ready });
    running.set(`sentinel${machine}`, server);
  }

  async function startControlPlane(machine: Machine): Promise<void> {
    const program = [execPath, '--disable-warning=ExperimentalWarning', controlPlaneMain()];
    const variables = await environment('control-plane.env', machine);
    const serve = [...variables, ...program, 'serve', `--config=${config(machine)}`];
    // As with systemd, the log goes elsewhere.
    const args = ['-c', `exec "$@" 2>>${log(machine)}`, 'sh', 'env', ...serve];
    const server = await ServerProcess.start({ command: 'sh', args, ready: /"listening"/ });
    running.set(`cp${machine}`, server);
  }

  const restOf = (machine: Machine): Rest =>
    new Rest(`https://${address(machine)}:${ports.https}`, ca.toString('utf8'), token);

  /** As an agent has it, which was told of both machines, and of others with its next certificate. */
  function redisOf(): RedisConnection {
    const candidates = () =>
      (isReplaced ? [2, SPARE] : [1, 2]).map((each) => ({
        host: `127.0.0.${each}`,
        port: ports.redis,
      }));
    const to = { port: ports.redis, candidates, masterOnly: true, tls: { ca }, maxBackoffMs: 200 };
    const connection = connectRedis({ ...to, ...host.redisLogin });
    connections.push(connection);
    return connection;
  }

  const apply = async (machine: Machine, name: string): Promise<number> => {
    const policy = blockProgram(name, '/usr/bin/sleep', PROD);
    return (await restOf(machine).post('/v1/apply', policy)).status;
  };
  const isReady = (machine: Machine) =>
    eventually(`machine ${machine} is ready`, MINUTE, async () => {
      const { status, text } = await restOf(machine).get('/readyz');
      if (status === 200) return true;
      throw new Error(text);
    });

  /** All of a machine is killed; the first of those that are left takes a policy, and the host finds another Redis. */
  async function goesOnWithout(
    lost: Machine,
    left: readonly [Machine, Machine],
    policy: string,
  ): Promise<void> {
    for (const name of ['cp', 'redis', 'redis-events', 'etcd', 'sentinel'])
      await running.get(`${name}${lost}`)?.kill9();
    await eventually('it is applied by those that are left', MINUTE, async () => {
      return (await apply(left[0], policy)) === 200;
    });
    await eventually('the host has found the other Redis', MINUTE, async () => {
      return (await host.fetch()) !== undefined;
    });
    for (const machine of left) await isReady(machine);
  }

  /** What the guide has etcdctl do, on the second machine. */
  async function etcdctl(...args: readonly string[]): Promise<string> {
    const pki = join(dataDir(2), 'pki');
    const { stdout } = await run('etcdctl', [
      ...[
        '--endpoints',
        `https://${address(2)}:${ports.etcd}`,
        '--cacert',
        join(pki, 'etcd-ca.pem'),
      ],
      ...['--cert', join(pki, 'etcd.pem'), '--key', join(pki, 'etcd.key'), ...args],
    ]);
    return stdout;
  }

  async function askSentinel(machine: Machine, ...words: readonly string[]): Promise<string> {
    const secret = join(dataDir(machine), 'keys/redis-control.password');
    const { stdout: password } = await controlPlane(['open-secret', `--file=${secret}`]);
    const tls = ['--tls', '--cacert', join(dataDir(machine), 'pki/ca.pem'), '--user', 'control'];
    const to = ['-h', address(machine), '-p', `${ports.sentinel}`];
    const env = { ...cleanEnvironment(), REDISCLI_AUTH: password.trim() };
    return (await run('redis-cli', [...tls, ...to, 'SENTINEL', ...words], { env })).stdout;
  }

  it(
    'serves the same fleet on each, over TLS alone, and delivers',
    async () => {
      for (const machine of MACHINES) await isReady(machine);
      expect(await apply(1, 'first')).toBe(200);
      await host.receives('first');
      for (const machine of [2, 3] as const)
        await eventually(`machine ${machine} has it`, MINUTE, async () => {
          return (await restOf(machine).get('/v1/policies/first')).status === 200;
        });
    },
    2 * MINUTE,
  );

  it(
    'takes log level and identity provider in by SIGHUP, and nothing that cannot be used',
    async () => {
      const pid = running.get('cp3')?.pid ?? 0;
      const text = await readFile(config(3), 'utf8');
      const said = (words: RegExp) =>
        eventually(`its log says ${words}`, MINUTE, async () =>
          words.test(await readFile(log(3), 'utf8')),
        );
      const methods = async () => (await restOf(3).get('/v1/login-methods', { token: null })).body;
      const oidc = [
        'oidc:',
        '  issuer: https://id.example',
        '  clientId: hostward',
        '  rolesClaim: groups',
        '  roles: [{ value: ops, roles: [operator] }]',
      ];
      await writeFile(config(3), `${text}\nlogLevel: debug\n${oidc.join('\n')}\n`);
      await controlPlane(['check', `--config=${config(3)}`]);
      kill(pid, 'SIGHUP');
      await said(/"configuration taken in".*"needsRestart":\[\]/);
      expect(await methods()).toMatchObject({ oidc: { issuer: 'https://id.example' } });
      await writeFile(config(3), `${text}\nlogLevel: loud\n`);
      await expect(controlPlane(['check', `--config=${config(3)}`])).rejects.toThrow(
        /logLevel is "loud": must be one of error, warn, info, debug/,
      );
      kill(pid, 'SIGHUP');
      await said(/was not taken in.*logLevel is/);
      await writeFile(config(3), text.replace(`port: ${ports.https}`, 'port: 1'));
      kill(pid, 'SIGHUP');
      await said(/"configuration taken in".*"needsRestart":\["listen"\]/);
      expect(await methods()).not.toHaveProperty('oidc');
      await writeFile(config(3), text);
      await isReady(3);
    },
    2 * MINUTE,
  );

  it(
    'goes on when a member of etcd is killed',
    async () => {
      await running.get('etcd1')?.kill9();
      await eventually('it is applied by two of three', MINUTE, async () => {
        return (await apply(2, 'two-of-three')) === 200;
      });
      await host.receives('first', 'two-of-three');
      await startEtcd(1);
    },
    2 * MINUTE,
  );

  it(
    'goes on with the replicas of both Redis when the first machine is lost, by itself',
    async () => {
      await goesOnWithout(1, [3, 2], 'moved');
      await host.receives('first', 'moved', 'two-of-three');
    },
    3 * MINUTE,
  );

  it(
    'takes another machine in the place of the first, for good, with a member of etcd and both Redis',
    async () => {
      isReplaced = true;
      const gone = /^(\w+), \w+, cp1,/m.exec(await etcdctl('member', 'list'))?.[1] ?? '';
      await etcdctl('member', 'remove', gone);
      await etcdctl('member', 'add', 'cp4', `--peer-urls=https://${address(SPARE)}:${ports.peer}`);
      await takeKeys(SPARE, 2);
      await initialise(SPARE, 2);
      await startEtcd(SPARE);
      await startBothRedis(SPARE);
      await controlPlane(['follow-redis', `--config=${config(SPARE)}`, `--at=${address(SPARE)}`]);
      await startSentinel(SPARE);
      await startControlPlane(SPARE);
      for (const machine of [2, 3] as const) {
        await running.get(`cp${machine}`)?.stop();
        await startControlPlane(machine);
        await askSentinel(machine, 'RESET', '*');
      }
      for (const machine of [2, 3, SPARE] as const) {
        await isReady(machine);
        for (const name of ['hostward', 'hostward-events'])
          await eventually(`the Sentinel of ${machine} knows who is there`, MINUTE, async () => {
            const [replicas = '', sentinels = ''] = await Promise.all(
              ['replicas', 'sentinels'].map((word) => askSentinel(machine, word, name)),
            );
            const known = [addressesIn(replicas), addressesIn(sentinels)];
            if (known.join() === [[SPARE], others(machine)].join()) return true;
            throw new Error(`it knows ${JSON.stringify(known)}: ${replicas} ${sentinels}`);
          });
      }
      expect(await apply(SPARE, 'replaced')).toBe(200);
      await host.receives('first', 'moved', 'replaced', 'two-of-three');
    },
    4 * MINUTE,
  );

  it(
    'goes on with those of the new machine when the second is lost too',
    async () => {
      await goesOnWithout(2, [3, SPARE], 'moved-again');
      await host.receives('first', 'moved', 'moved-again', 'replaced', 'two-of-three');
    },
    3 * MINUTE,
  );
});

/** What the guide has changed where cp4 comes in the place of cp1, and cp2 has the masters of Redis. */
function withSpare(name: string, text: string): string {
  if (name === 'etcd.env')
    return text
      .replace('cp1=https://10.0.0.1:', 'cp4=https://10.0.0.4:')
      .replace('CLUSTER_STATE=new', 'CLUSTER_STATE=existing');
  if (name === 'redis-sentinel.conf')
    return text.replaceAll(/^(sentinel monitor \S+) 10\.0\.0\.1 /gm, '$1 10.0.0.2 ');
  if (name !== 'control-plane.env') return text;
  const lines = text
    .split('\n')
    .map((line) =>
      /^\w+(?:ETCD__HOSTS|REDIS__SENTINEL)=/.test(line)
        ? line.replaceAll('10.0.0.1:', '10.0.0.4:')
        : line.replaceAll('10.0.0.2', '10.0.0.4').replaceAll('10.0.0.1', '10.0.0.2'),
    );
  return lines.join('\n');
}

/** The last numbers of the addresses that Sentinel tells of, in order. */
function addressesIn(answer: string): number[] {
  const found = [...answer.matchAll(/^ip\n127\.0\.0\.(\d)$/gm)].map(([, last]) => Number(last));
  return found.sort();
}

function others(machine: Machine): number[] {
  return [2, 3, SPARE].filter((each) => each !== machine);
}

function controlPlaneMain(): string {
  return join(projectRoot, 'dist/apps/control-plane/src/bundle.js');
}

function controlPlane(
  args: readonly string[],
  stdin = '',
): Promise<{ stdout: string; stderr: string }> {
  const program = ['--disable-warning=ExperimentalWarning', controlPlaneMain()];
  const running = run(execPath, [...program, ...args], { env: cleanEnvironment() });
  running.child.stdin?.end(stdin);
  return running;
}
