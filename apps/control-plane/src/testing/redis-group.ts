import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RedisAddress } from '#redis';
import { startRedis, startSentinels, type RedisServer, type SentinelServer } from '#testing';
import type { RedisConfig } from '../config/redis.js';
import { readConfig } from '../config/read-config.js';
import type { InitAnswer } from '../commands/init/init.js';
import type { Rig } from './rig.js';

const NAME = 'hostward';
const DOWN_AFTER_MS = 1_000;
const WATCHER = { username: 'watcher', password: 'of-sentinels' };
const SENTINEL = { username: 'sentinel', password: 'of-redis' };
/** What Sentinel's documentation asks for, and no key. */
const SENTINEL_RIGHTS =
  'allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill';

/** A replica of the rig's Redis, and three Sentinels, as processes, over TLS, each with users of its own. */
export class RedisGroup {
  private constructor(
    readonly master: RedisServer,
    readonly replica: RedisServer,
    readonly sentinels: readonly SentinelServer[],
  ) {}

  /** Lines that either node has in its configuration. */
  static lines({ configFile }: InitAnswer): readonly string[] {
    const { username = '', passwordFile = '' } = readConfig(configFile).redis;
    return [
      'tls-replication yes',
      `masteruser ${username}`,
      `masterauth ${readFileSync(passwordFile, 'utf8').trim()}`,
      'repl-diskless-sync-delay 0',
      `user ${SENTINEL.username} on >${SENTINEL.password} ${SENTINEL_RIGHTS}`,
    ];
  }

  /** The control plane of the rig, which is not started yet, is to follow them. */
  static async start(rig: Rig): Promise<RedisGroup> {
    const { files, redis: master } = rig;
    const { ca, cert, key, usersFile } = files.redis;
    const read = (file: string): string => readFileSync(file, 'utf8');
    const tls = { ca: read(ca), cert: read(cert), key: read(key) };
    const config = [
      `include ${usersFile}`,
      'tls-auth-clients optional',
      `replicaof 127.0.0.1 ${master.port}`,
      ...RedisGroup.lines(files),
    ];
    const replica = await startRedis({ tls, config });
    const of = { name: NAME, master: master.port, login: SENTINEL, own: WATCHER };
    const sentinels = await startSentinels(3, { ...of, tls, downAfterMs: DOWN_AFTER_MS });
    const group = new RedisGroup(master, replica, sentinels);
    rig.useRedis(group.#config(files));
    return group;
  }

  /** Both nodes, as hosts are told of them. */
  get addresses(): readonly RedisAddress[] {
    return [this.master, this.replica].map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** How to ask the Sentinels. */
  get watched() {
    const sentinels = this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
    return { sentinels, name: NAME, login: WATCHER };
  }

  async stop(): Promise<void> {
    await Promise.all([this.replica, ...this.sentinels].map((each) => each.stop()));
  }

  #config({ configFile }: InitAnswer): Partial<RedisConfig> {
    const { tls, agent } = readConfig(configFile).redis;
    const passwordFile = join(dirname(configFile), 'sentinel.password');
    writeFileSync(passwordFile, WATCHER.password, { mode: 0o600 });
    const at = ({ port }: { readonly port: number }): RedisAddress => ({ host: '127.0.0.1', port });
    const { username } = WATCHER;
    const addresses = this.sentinels.map(at);
    return {
      port: this.master.port,
      replicas: [at(this.replica)],
      sentinel: { addresses, name: NAME, username, passwordFile, tls },
      agent: { ...agent, others: [at(this.replica)] },
    };
  }
}
