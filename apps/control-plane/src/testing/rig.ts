import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { redisKeys } from '#contracts';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import { connectRedis, type RedisConnection } from '#redis';
import {
  LinkProxy,
  makeTestCertificates,
  startEtcd,
  startPostgres,
  startRedis,
  type EtcdServer,
  type PostgresServer,
  type RedisServer,
} from '#testing';
import type { RedisConfig } from '../config/redis.js';
import type { StoreConfig } from '../config/store.js';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import { init, type InitAnswer } from '../commands/init/init.js';
import { parseInitOptions } from '../commands/init/options.js';
import { serve, type Serving } from '../server/serve.js';
import { Rest } from './rest.js';
import { eventually } from './eventually.js';
import { ReplicaProcess, type ReplicaVersion } from './replica-process.js';
import { TestHost } from './test-host.js';

const LOOK_AT_CERTIFICATES_MS = 100;

/** A control plane in this process, on a real etcd and a real Redis, each behind a link that a test can cut. */
export class Rig {
  readonly lines: string[] = [];
  /** Where alerts and audit log of every control plane are that is started from now on. */
  store: StoreConfig = {};
  #serving: Serving | undefined;
  #replica: Serving | undefined;
  #postgres: PostgresServer | undefined;
  #redisOver: Partial<RedisConfig> = {};
  readonly #processes: ReplicaProcess[] = [];
  readonly #connections: RedisConnection[] = [];
  #admin: RedisConnection | undefined;

  private constructor(
    readonly etcd: EtcdServer,
    readonly redis: RedisServer,
    readonly etcdLink: LinkProxy,
    readonly redisLink: LinkProxy,
    private readonly folder: string,
    private readonly made: InitAnswer,
  ) {}

  /** Starts etcd and Redis and makes keys; the control plane is not started yet. */
  static async prepare(
    initFlags: readonly string[] = [],
    redisLines: (made: InitAnswer) => readonly string[] = () => [],
    etcdFlags: readonly string[] = [],
  ): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), 'hw-cp-'));
    const made = await init(parseInitOptions([...initArguments(folder), ...initFlags]));
    // The last of two flags or lines counts: servers read the files that `init` replaces.
    const { etcd: e, redis: r } = made;
    const [etcd, redis] = await Promise.all([
      startEtcd({
        tls: certificates(e),
        args: [
          ...[`--cert-file=${e.cert}`, `--key-file=${e.key}`, `--trusted-ca-file=${e.ca}`],
          ...etcdFlags,
        ],
      }),
      startRedis({
        tls: certificates(r),
        config: [
          `include ${r.usersFile}`,
          `tls-cert-file ${r.cert}`,
          `tls-key-file ${r.key}`,
          'tls-auth-clients optional',
          ...redisLines(made),
        ],
      }),
    ]);
    const [etcdLink, redisLink] = await Promise.all([
      LinkProxy.start(etcd.port),
      LinkProxy.start(redis.port),
    ]);
    return new Rig(etcd, redis, etcdLink, redisLink, folder, made);
  }

  /** As `prepare`, started, and ready. */
  static async start(): Promise<Rig> {
    const rig = await Rig.prepare();
    try {
      await rig.startControlPlane();
      await rig.ready();
      return rig;
    } catch (error) {
      await rig.stop();
      throw error;
    }
  }

  /** Alerts and audit log of every control plane that is started from now on lie there, over TLS; stopped with the rig. */
  async usePostgres(): Promise<PostgresServer> {
    const tls = await makeTestCertificates();
    const postgres = await startPostgres({ tls });
    this.#postgres = postgres;
    const [passwordFile, ca] = [join(this.folder, 'password'), join(this.folder, 'ca.pem')];
    writeFileSync(passwordFile, `${postgres.password}\n`, { mode: 0o600 });
    writeFileSync(ca, tls.ca);
    const login = { database: 'hostward', user: 'hostward', passwordFile, ca };
    this.store = { postgresql: { host: '127.0.0.1', port: postgres.port, ...login } };
    return postgres;
  }

  /** Every control plane that is started in this process from now on reaches Redis in this way. */
  useRedis(over: Partial<RedisConfig>): void {
    this.#redisOver = over;
  }

  /** A configuration file that names the etcd and the PostgreSQL in use, for programs beside the control plane. */
  configFile(): string {
    const file = join(this.folder, 'control-plane.yaml');
    const document = parseDocument(readFileSync(this.made.configFile, 'utf8'));
    document.setIn(['etcd', 'hosts'], [this.etcd.url]);
    document.set('store', this.store);
    writeFileSync(file, document.toString());
    return file;
  }

  /** Starts the control plane, or starts it again, behind the links. */
  async startControlPlane(): Promise<void> {
    this.#serving = await this.#serve(this.etcdLink.port, this.redisLink.port, 'data');
  }

  /** A further control plane on the same etcd and Redis, past the links; stopped with the rig. */
  async startReplica(): Promise<Rest> {
    this.#replica = await this.#serve(this.etcd.port, this.redis.port, 'replica');
    return this.#rest(this.#replica);
  }

  /** A control plane in a process of its own, past the links; stopped with the rig. */
  async startProcess(version: ReplicaVersion = 'bundle'): Promise<ReplicaProcess> {
    const options = {
      configFile: this.made.configFile,
      dataDir: join(this.folder, `process-${this.#processes.length}`),
      etcdPort: this.etcd.port,
      redisPort: this.redis.port,
      store: this.store,
    };
    const replica = await ReplicaProcess.start(options, version);
    this.#processes.push(replica);
    return replica;
  }

  #serve(etcd: number, redis: number, folder: string): Promise<Serving> {
    const config = { ...readConfig(this.made.configFile), store: this.store };
    const log = new Log({ level: 'debug', write: (line) => this.lines.push(line) });
    return serve(
      {
        ...config,
        dataDir: join(this.folder, folder),
        etcd: { ...config.etcd, hosts: [`https://127.0.0.1:${etcd}`] },
        redis: { ...config.redis, port: redis, ...this.#redisOver },
      },
      loadMaterial({ ...config, redis: { ...config.redis, ...this.#redisOver } }),
      log.child({ replica: folder }),
      LOOK_AT_CERTIFICATES_MS,
    );
  }

  /** Where everything of this installation lies. */
  get files(): InitAnswer {
    return this.made;
  }

  /** Runs `init` again, as `up` does at intervals. */
  async initAgain(): Promise<void> {
    await init(parseInitOptions(initArguments(this.folder)));
  }

  async stopControlPlane(): Promise<void> {
    await this.#serving?.stop();
    this.#serving = undefined;
  }

  get token(): string {
    return this.made.adminToken ?? '';
  }

  get rest(): Rest {
    return this.#rest(this.#serving);
  }

  #rest(serving: Serving | undefined): Rest {
    return this.restOf(serving?.url ?? 'https://127.0.0.1:1');
  }

  /** A client of the control plane at `url`. */
  restOf(url: string, token = this.token): Rest {
    return new Rest(url, readFileSync(this.made.caFile, 'utf8'), token);
  }

  /** Waits until the control plane says that it is ready. */
  async ready(): Promise<void> {
    let last = '';
    const look = async () => {
      const answer = await this.rest.get('/readyz');
      last = answer.text;
      return answer.status === 200;
    };
    await eventually('ready', look).catch((cause: unknown) => {
      throw new Error(`not ready: ${last}\n${this.lines.slice(-20).join('')}`, { cause });
    });
  }

  /** A connection to Redis past the link, as the host has it. */
  connectionOf(host: TestHost): RedisConnection {
    const { ca } = certificates(this.made.redis);
    const { username, password } = host.redisLogin;
    const to = { port: this.redis.port, tls: { ca }, maxBackoffMs: 200 };
    const connection = connectRedis({ ...to, username, password });
    this.#connections.push(connection);
    return connection;
  }

  /** etcd past the link; whoever asks closes it. */
  openEtcd(): EtcdStore {
    const { ca, cert, key } = this.made.etcd;
    const read = (path: string): Buffer => readFileSync(path);
    const credentials = { ca: read(ca), cert: read(cert), key: read(key) };
    return EtcdStore.connect({ hosts: [this.etcd.url], credentials });
  }

  /** A connection that may do everything, past the link. */
  get adminRedis(): RedisConnection {
    const { username, ...redis } = readConfig(this.made.configFile).redis;
    const password = readFileSync(redis.passwordFile ?? '', 'utf8').trim();
    const tls = certificates(this.made.redis);
    this.#admin ??= connectRedis({
      port: this.redis.port,
      username,
      password,
      tls,
      maxBackoffMs: 200,
    });
    return this.#admin;
  }

  /** Whether Redis holds an assignment of the host. */
  async isServed({ nodeId }: TestHost): Promise<boolean> {
    const key = redisKeys.assignment(nodeId);
    return (await this.adminRedis.run('looking', (client) => client.exists(key))) === 1;
  }

  /** A new host, enrolled with a token of its own. */
  async host(
    name: string,
    labels: Record<string, string> = {},
    rest = this.rest,
  ): Promise<TestHost> {
    const made = await rest.post('/v1/join-tokens', { labels });
    const host = new TestHost(name, rest);
    const answer = await host.enroll(String(made.body['token']));
    if (answer.status !== 200) throw new Error(`not enrolled: ${answer.text}`);
    host.attach(this.connectionOf(host));
    return host;
  }

  async stop(): Promise<void> {
    await this.stopControlPlane();
    await this.#replica?.stop();
    await Promise.all(this.#processes.map((replica) => replica.stop()));
    for (const connection of this.#connections) connection.close();
    this.#admin?.close();
    await Promise.all([this.etcdLink.stop(), this.redisLink.stop()]);
    await Promise.all([this.etcd.stop(), this.redis.stop(), this.#postgres?.stop()]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function initArguments(folder: string): readonly string[] {
  return ['--data-dir', join(folder, 'data'), '--listen', '127.0.0.1:0'];
}

function certificates({ ca, cert, key }: { ca: string; cert: string; key: string }) {
  const read = (path: string): string => readFileSync(path, 'utf8');
  return { ca: read(ca), cert: read(cert), key: read(key) };
}

/** A policy that blocks one program, with a selector of labels. */
export function blockPolicy(name: string, path: string, labels: Record<string, string>): string {
  const lines = Object.entries(labels).map(([key, value]) => `      ${key}: "${value}"`);
  return [
    'apiVersion: security.kubearmor.com/v1',
    'kind: KubeArmorHostPolicy',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    '  nodeSelector:',
    '    matchLabels:',
    ...lines,
    '  process:',
    '    matchPaths:',
    `      - path: ${path}`,
    '  action: Block',
    '',
  ].join('\n');
}

/** A group of hosts with these labels. */
export function group(name: string, labels: Record<string, string>): string {
  const lines = Object.entries(labels).map(([key, value]) => `      ${key}: "${value}"`);
  return [
    'apiVersion: hostward.io/v1',
    'kind: Group',
    `metadata: { name: ${name} }`,
    'spec:',
    '  selector:',
    '    matchLabels:',
    ...lines,
    '',
  ].join('\n');
}
