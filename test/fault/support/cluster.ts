import { copyFile, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import {
  controlPlaneProgram,
  initialise,
  type Material,
} from '../../../apps/cli/src/embedded/control-plane.js';
import {
  redisCommand,
  redisProgram,
  type RedisOptions,
} from '../../../apps/cli/src/embedded/redis.js';
import { ServerKeys } from '../../../apps/cli/src/embedded/server-keys.js';
import { Supervised, type Program } from '../../../apps/cli/src/embedded/supervised.js';
import { readConfig } from '../../../apps/control-plane/src/config/read-config.js';
import { buildNative } from '../../../libs/sensor/src/fixtures/native-build.js';
import { LinkProxy } from '#testing';
import { appMain } from '../../../apps/cli/src/product/package-root.js';
import {
  AGENT_MISTAKES,
  CONTROL_PLANE_MISTAKES,
  isOfSensor,
  type Mistake,
} from '../planted/mistakes.js';
import { plantedSensor } from '../planted/sensor.js';
import { projectRoot } from '../../e2e/support/product.js';
import { Clocks } from './clocks.js';
import { CommittedLog } from './committed-log.js';
import { Disks } from './disks.js';
import { FaultedPostgres } from './faulted-postgres.js';
import { CONTROL_PLANES, type ControlPlaneName, type RedisLayout } from '../faults.js';
import type { History } from '../history.js';
import { OfferLog } from './offer-log.js';
import { ETCD_MEMBERS, memberProgram, peersLink, type EtcdMember } from './etcd-members.js';
import { freePorts, type Ports } from './ports.js';
import { Programs } from './programs.js';
import { RedisAdmin } from './redis-admin.js';
import {
  MASTER_NAME,
  nodeProgram,
  REDIS_NODES,
  REDIS_SERVERS,
  sentinelProgram,
  SENTINELS,
  type RedisNodeName,
} from './redis-nodes.js';
import { Shards } from './shards.js';

/** The operator's link to each control plane. */
const OPERATOR_LINKS = { 'control plane': 'operator', replica: 'operator@replica' } as const;

/** The link of each control plane to PostgreSQL. */
const POSTGRES_LINKS = { 'control plane': 'postgresql', replica: 'postgresql@replica' } as const;

/** What differs from the product as it is shipped, or as it is to be set up. */
export interface ClusterOptions {
  /** That control planes, agents or sensors make. */
  readonly mistake?: Mistake;
  /** Alerts and audit log lie in files of each control plane. */
  readonly inFiles?: boolean;
  /** By default a replica. */
  readonly redis?: RedisLayout;
}

/**
 * Three members of etcd, a Redis for policies with a replica and three Sentinels, or two without, one for events, a
 * PostgreSQL, and two control planes with the same keys: each as `up` runs its only one, with a link before it that can be cut.
 */
export class Cluster {
  readonly programs = new Programs();
  readonly clocks: Clocks;
  readonly disks: Disks;
  readonly #keys = new ServerKeys();
  readonly #offers: OfferLog[] = [];
  #log: CommittedLog | undefined;
  #sensor: Promise<string> | undefined;
  #material: Material | undefined;
  #redis: RedisAdmin | undefined;
  #shards: Shards | undefined;
  #postgres: FaultedPostgres | undefined;
  #ca = '';
  #password = '';
  #clientPair: { readonly cert: string; readonly key: string } | undefined;

  private constructor(
    readonly folder: string,
    readonly ports: Ports,
    readonly history: History,
    private readonly options: ClusterOptions,
  ) {
    this.clocks = new Clocks(folder);
    this.disks = new Disks(folder);
  }

  static async start(history: History, options: ClusterOptions = {}): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-fault-'));
    const cluster = new Cluster(folder, await freePorts(), history, options);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get material(): Material {
    if (!this.#material) throw new Error('the cluster was not set up');
    return this.#material;
  }

  /** Program and first words of an agent. */
  get agent(): readonly string[] {
    return mainOf('agent', this.options.mistake);
  }

  /** The sensor on a fake kernel; built at the first call. */
  get sensor(): Promise<string> {
    return (this.#sensor ??= this.#buildSensor());
  }

  /** Where alerts and audit log are; undefined where they lie in files. */
  get postgres(): FaultedPostgres | undefined {
    return this.#postgres;
  }

  get log(): CommittedLog {
    if (!this.#log) throw new Error('etcd was not started');
    return this.#log;
  }

  /** The CLI's client of each control plane, over the operator's link or past it. */
  clients(over: 'link' | 'direct'): readonly ControlPlane[] {
    const token = this.material.adminToken ?? '';
    return CONTROL_PLANES.map((name) => {
      const port = over === 'link' ? this.link(OPERATOR_LINKS[name]).port : this.ports[name];
      return new ControlPlane({ url: `https://127.0.0.1:${port}`, token, ca: this.#ca });
    });
  }

  link(name: string): LinkProxy {
    const found = this.programs.links.get(name);
    if (!found) throw new Error(`there is no link ${name}`);
    return found;
  }

  async addLink(name: string, to: number): Promise<LinkProxy> {
    const link = await LinkProxy.start(to);
    this.programs.links.set(name, link);
    return link;
  }

  /** A program that is started again whenever it ends. */
  run(name: string, program: Program): Promise<void> {
    return this.programs.start(name, new Supervised(program, () => undefined));
  }

  /** Redis past all links. */
  get redis(): RedisAdmin {
    if (!this.#redis) throw new Error('the cluster was not set up');
    return this.#redis;
  }

  /** What control planes know of a second Redis; undefined where hosts are not split over two. */
  get shards(): Shards | undefined {
    return this.#shards;
  }

  /** By which the others know a control plane. */
  async replicaId(name: ControlPlaneName): Promise<string> {
    return (await readFile(join(this.disks.at(name), 'replica-id'), 'utf8')).trim();
  }

  get #login() {
    const { username = '' } = readConfig(this.material.configFile).redis;
    return { username, password: this.#password };
  }

  async #start(): Promise<void> {
    const { folder, ports } = this;
    for (const name of ETCD_MEMBERS) {
      await this.addLink(name, ports.etcd[name].client);
      await this.addLink(peersLink(name), ports.etcd[name].peer);
    }
    for (const name of REDIS_SERVERS) await this.addLink(name, ports[name]);
    for (const name of CONTROL_PLANES) await this.addLink(OPERATOR_LINKS[name], ports[name]);
    const material = await initialise({
      dataDir: join(folder, 'control-plane'),
      listen: `127.0.0.1:${ports['control plane']}`,
      names: ['127.0.0.1'],
      etcd: `https://127.0.0.1:${this.link('etcd-1').port}`,
      redis: `127.0.0.1:${this.link('redis').port}`,
      redisEvents: `127.0.0.1:${this.link('redis-events').port}`,
      serverKeys: this.#keys,
    });
    this.#material = material;
    await this.#readSecrets(material);
    const { redis = 'replica' } = this.options;
    const access = { ports, login: this.#login, tls: { ca: this.#ca, ...this.#clientPair } };
    this.#redis = new RedisAdmin(redis, access);
    if (redis === 'shards') this.#shards = new Shards(folder, this.link('redis-b').port);
    await this.#startServers(material);
  }

  async #readSecrets(material: Material): Promise<void> {
    this.#ca = await readFile(material.caFile, 'utf8');
    const { passwordFile, tls } = readConfig(material.configFile).redis;
    this.#password = (await readFile(passwordFile ?? '', 'utf8')).trim();
    if (tls?.cert && tls.key)
      this.#clientPair = {
        cert: await readFile(tls.cert, 'utf8'),
        key: await readFile(tls.key, 'utf8'),
      };
  }

  async #startServers(material: Material): Promise<void> {
    const { folder: dataDir, ports } = this;
    const keys = this.#keys;
    const { etcd: tls, redis: files } = material;
    await this.disks.start();
    await Promise.all(
      ETCD_MEMBERS.map((name) => {
        const linkOf = (of: EtcdMember): number => this.link(peersLink(of)).port;
        const member = memberProgram(name, ports.etcd[name], linkOf, { dataDir, tls, keys });
        return this.run(name, this.disks.before(member));
      }),
    );
    const pki = join(dataDir, 'control-plane', 'pki');
    const [cert, key] = [join(pki, 'etcd-client.pem'), join(pki, 'etcd-client.key')];
    const clients = ETCD_MEMBERS.map((name) => ports.etcd[name].client);
    this.#log = new CommittedLog({ ports: clients, ca: tls.ca, cert, key }, this.history);
    await this.#startRedis({
      command: await redisCommand(),
      dataDir,
      host: '127.0.0.1',
      files,
      keys,
    });
    if (!this.options.inFiles) await this.#startPostgres();
    for (const name of CONTROL_PLANES) await this.#startControlPlane(name, material);
  }

  async #startRedis(at: Omit<RedisOptions, 'port' | 'serves'>): Promise<void> {
    const { ports } = this;
    const login = this.#login;
    const portOf = (name: RedisNodeName): number => this.link(name).port;
    for (const name of REDIS_NODES)
      await this.run(
        name,
        await nodeProgram(name, portOf(name), login, { ...at, port: ports[name] }),
      );
    if (!this.#shards) await this.#startSentinels(at);
    for (const name of REDIS_NODES) {
      const tls = { port: ports[name], ca: this.#ca, ...this.#clientPair };
      this.#offers.push(new OfferLog(name, { ...login, tls }, this.history));
    }
    const port = ports['redis-events'];
    await this.run('redis-events', await redisProgram({ ...at, serves: 'events', port }));
  }

  /** And the replica that they watch over beside the master. */
  async #startSentinels(at: Omit<RedisOptions, 'port' | 'serves'>): Promise<void> {
    const masterPort = this.link('redis').port;
    await this.redis.at('redis-b', (connection) =>
      connection.run('following', (client) => client.replicaof('127.0.0.1', masterPort)),
    );
    for (const [index, name] of SENTINELS.entries()) {
      const port = this.ports.sentinels[index] ?? 0;
      const disk = this.disks.at(name);
      const sentinel = await sentinelProgram(name, port, masterPort, this.#login, at, disk);
      await this.run(name, this.disks.before(sentinel));
    }
  }

  async #startPostgres(): Promise<void> {
    const postgres = await FaultedPostgres.start();
    this.#postgres = postgres;
    for (const name of CONTROL_PLANES) await this.addLink(POSTGRES_LINKS[name], postgres.port);
    await writeFile(this.#passwordFile, postgres.password, { mode: 0o600 });
  }

  get #passwordFile(): string {
    return join(this.folder, 'postgresql.password');
  }

  async #startControlPlane(name: ControlPlaneName, material: Material): Promise<void> {
    const served = { host: '127.0.0.1', port: this.ports[name] };
    const shipped = controlPlaneProgram(material.configFile, this.folder, served, this.#keys);
    const words = mainOf('control-plane', this.options.mistake);
    const at = shipped.args.indexOf(appMain('control-plane'));
    const program = { ...shipped, args: shipped.args.toSpliced(at, 1, ...words) };
    const own = name === 'replica' ? asReplica(program, served.port) : program;
    const told = withSettings(own, this.#settings(name));
    const split = this.#shards ? this.#shards.before(name, told) : told;
    await this.run(name, this.disks.before(await this.clocks.follow(name, split)));
  }

  async #buildSensor(): Promise<string> {
    const { folder } = this;
    const { mistake } = this.options;
    if (mistake !== undefined && isOfSensor(mistake)) return plantedSensor(mistake, folder);
    return join(await buildNative('fake'), 'hostward-sensor-fake');
  }

  /** What `init` was not told. */
  #settings(name: ControlPlaneName): Readonly<Record<string, unknown>> {
    const at = (port: number): string => `127.0.0.1:${port}`;
    const other = at(this.link('redis-b').port);
    const failover = {
      REDIS__REPLICAS: [other],
      REDIS__AGENT__OTHERS: [other],
      REDIS__SENTINEL: { name: MASTER_NAME, addresses: this.ports.sentinels.map(at) },
    };
    const postgresql = this.#postgres && {
      ...{ host: '127.0.0.1', port: this.link(POSTGRES_LINKS[name]).port },
      passwordFile: this.#passwordFile,
    };
    return {
      ETCD__HOSTS: ETCD_MEMBERS.map((member) => `https://${at(this.link(member).port)}`),
      ...(this.#shards ? {} : failover),
      STORE: { postgresql },
    };
  }

  /** Ends everything and removes its files; logs of all programs are kept in `logs` where that is given. */
  async stop(logs?: string): Promise<void> {
    this.#log?.stop();
    for (const offers of this.#offers) offers.stop();
    this.#redis?.close();
    await this.programs.stop();
    await this.#postgres?.stop();
    await this.disks.stop();
    this.#keys.close();
    if (logs !== undefined) await this.#keepLogs(logs);
    await rm(this.folder, { recursive: true, force: true });
  }

  async #keepLogs(to: string): Promise<void> {
    await mkdir(to);
    for await (const log of glob('**/*.log', { cwd: this.folder }))
      await copyFile(join(this.folder, log), join(to, log.replaceAll('/', '-')));
  }
}

/** As it is shipped, or with a mistake where that is one of its. */
function mainOf(app: 'agent' | 'control-plane', mistake: Mistake | undefined): readonly string[] {
  const its = app === 'agent' ? AGENT_MISTAKES : CONTROL_PLANE_MISTAKES;
  if (mistake === undefined || !(mistake in its)) return [appMain(app)];
  return [join(projectRoot, 'dist/test/fault/planted', `${app}.js`), mistake];
}

/** The same program at another port, with a data folder of its own. */
function asReplica(program: Program, port: number): Program {
  const settings = { DATA_DIR: join(program.cwd, 'replica'), LISTEN__PORT: port };
  const logFile = join(program.cwd, 'replica.log');
  return withSettings({ ...program, name: 'replica', logFile }, settings);
}

/** The same program, with settings above those of its file. */
function withSettings(program: Program, settings: Readonly<Record<string, unknown>>): Program {
  const words = Object.entries(settings).map(
    ([key, value]) => `HOSTWARD_CONTROL_PLANE__${key}=${JSON.stringify(value)}`,
  );
  return { ...program, command: 'env', args: [...words, program.command, ...program.args] };
}
