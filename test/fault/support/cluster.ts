import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import {
  controlPlaneProgram,
  initialise,
  type Material,
} from '../../../apps/cli/src/embedded/control-plane.js';
import { etcdProgram } from '../../../apps/cli/src/embedded/etcd.js';
import { redisCommand, redisProgram } from '../../../apps/cli/src/embedded/redis.js';
import { ServerKeys } from '../../../apps/cli/src/embedded/server-keys.js';
import { Supervised, type Program } from '../../../apps/cli/src/embedded/supervised.js';
import { readConfig } from '../../../apps/control-plane/src/config/read-config.js';
import { connectRedis, type RedisConnection } from '#redis';
import { freePort, LinkProxy } from '#testing';
import type { Mistake } from '../planted/mistakes.js';
import { projectRoot } from '../../e2e/support/product.js';
import { CommittedLog } from './committed-log.js';
import type { History } from '../history.js';
import { Programs } from './programs.js';

export interface Ports {
  readonly etcd: number;
  readonly peer: number;
  readonly redis: number;
  readonly 'redis-events': number;
  readonly 'control plane': number;
  readonly replica: number;
}

/** The two control planes, as plans name them, and the operator's link to each. */
const CONTROL_PLANES = ['control plane', 'replica'] as const;
const OPERATOR_LINKS = { 'control plane': 'operator', replica: 'operator@replica' } as const;

/**
 * etcd, both Redis and the control plane as `up` runs them, with a link that can be cut before each, and a second control
 * plane with the same keys and stores of its own.
 */
export class Cluster {
  readonly programs = new Programs();
  readonly #keys = new ServerKeys();
  readonly #admins: RedisConnection[] = [];
  #log: CommittedLog | undefined;
  #material: Material | undefined;
  #ca = '';
  #password = '';
  #clientPair: { readonly cert: string; readonly key: string } | undefined;

  private constructor(
    readonly folder: string,
    readonly ports: Ports,
    readonly history: History,
    private readonly mistake: Mistake | undefined,
  ) {}

  /** With a control plane that makes a mistake where one is named. */
  static async start(history: History, mistake?: Mistake): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-fault-'));
    const [etcd = 0, peer = 0, redis = 0, events = 0, ...both] = await freePorts(6);
    const [controlPlane = 0, replica = 0] = both;
    const stores = { etcd, peer, redis, 'redis-events': events };
    const ports = { ...stores, 'control plane': controlPlane, replica };
    const cluster = new Cluster(folder, ports, history, mistake);
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

  /** Redis as its administrator has it, past all links. */
  admin(of: 'redis' | 'redis-events'): RedisConnection {
    const { username } = readConfig(this.material.configFile).redis;
    const connection = connectRedis({
      port: this.ports[of],
      username,
      password: () => this.#password,
      tls: { ca: this.#ca, ...this.#clientPair },
      maxBackoffMs: 200,
    });
    this.#admins.push(connection);
    return connection;
  }

  async #start(): Promise<void> {
    const { folder, ports } = this;
    for (const name of ['etcd', 'redis', 'redis-events'] as const)
      await this.addLink(name, ports[name]);
    for (const name of CONTROL_PLANES) await this.addLink(OPERATOR_LINKS[name], ports[name]);
    const material = await initialise({
      dataDir: join(folder, 'control-plane'),
      listen: `127.0.0.1:${ports['control plane']}`,
      names: ['127.0.0.1'],
      etcd: `https://127.0.0.1:${this.link('etcd').port}`,
      redis: `127.0.0.1:${this.link('redis').port}`,
      redisEvents: `127.0.0.1:${this.link('redis-events').port}`,
      serverKeys: this.#keys,
    });
    this.#material = material;
    await this.#readSecrets(material);
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

  async #startServers({ etcd: tls, redis: files, configFile }: Material): Promise<void> {
    const { folder: dataDir, ports } = this;
    const keys = this.#keys;
    const [clientPort, peerPort] = [ports.etcd, ports.peer];
    await this.run('etcd', etcdProgram({ dataDir, clientPort, peerPort, tls, keys }));
    const pki = join(dataDir, 'control-plane', 'pki');
    const [cert, key] = [join(pki, 'etcd-client.pem'), join(pki, 'etcd-client.key')];
    this.#log = new CommittedLog({ port: clientPort, ca: tls.ca, cert, key }, this.history);
    const command = await redisCommand();
    const at = { command, dataDir, host: '127.0.0.1', files, keys };
    const { redis, 'redis-events': events } = ports;
    await this.run('redis', await redisProgram({ ...at, serves: 'control', port: redis }));
    await this.run('redis-events', await redisProgram({ ...at, serves: 'events', port: events }));
    for (const name of CONTROL_PLANES) {
      const served = { host: '127.0.0.1', port: ports[name] };
      const shipped = controlPlaneProgram(configFile, dataDir, served, keys);
      const program = this.mistake ? planted(shipped, this.mistake) : shipped;
      await this.run(name, name === 'replica' ? asReplica(program, served.port) : program);
    }
  }

  async stop(): Promise<void> {
    this.#log?.stop();
    for (const admin of this.#admins) admin.close();
    await this.programs.stop();
    this.#keys.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The same program with a mistake. */
function planted(shipped: Program, mistake: Mistake): Program {
  const main = join(projectRoot, 'dist/test/fault/planted/control-plane.js');
  const at = shipped.args.findIndex((word) => word.endsWith('main.js'));
  return { ...shipped, args: shipped.args.toSpliced(at, 1, main, mistake) };
}

/** The same program at another port, with stores of its own. */
function asReplica(program: Program, port: number): Program {
  const settings = { DATA_DIR: join(program.cwd, 'replica'), LISTEN__PORT: String(port) };
  const words = Object.entries(settings).map(
    ([key, value]) => `HOSTWARD_CONTROL_PLANE__${key}=${value}`,
  );
  return {
    ...program,
    name: 'replica',
    command: 'env',
    args: [...words, program.command, ...program.args],
    logFile: join(program.cwd, 'replica.log'),
  };
}

/** Different ones: each is free until somebody listens. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
