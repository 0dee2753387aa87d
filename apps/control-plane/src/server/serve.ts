import { join } from 'node:path';
import { EtcdStore } from '#etcd';
import { makePrivateFolder } from '#files';
import { Log } from '#observability';
import { reloadServerCertificate } from '#redis';
import { AdminToken } from '../access/admin-token.js';
import { OidcSettings } from '../access/oidc.settings.js';
import { openAuthorities, type Authorities } from '../certificates/authorities.js';
import { OwnCertificates } from '../certificates/own-certificates.js';
import { RedisHostHints } from '../certificates/redis-host-hints.js';
import { CertificateWatch, type CertificateUse } from '../certificates/certificate-watch.js';
import { tellOfRestore } from '../store/restored-note.js';
import { SystemClock } from '../http/clock.js';
import type { ServerConfig, TlsFiles } from '../config/index.js';
import { loadCa, type Material } from '../config/material.js';
import { needingRestart } from '../config/needing-restart.js';
import { RedisDeliveryChannel } from '../delivery/redis-delivery-channel.js';
import { LiveRedisSurvey } from '../diagnosis/redis-survey.js';
import { Metrics } from '../health/metrics.js';
import { RedisHeadChannel } from '../delivery/redis-head-channel.js';
import { checkChannelKeys } from '../trust/channel-key-check.js';
import { RedisHostUsers } from '../nodes/redis-host-users.js';
import { RedisHostInbox } from '../reports/redis-host-inbox.js';
import { ShardedHostInbox } from '../reports/sharded-host-inbox.js';
import { replicaId } from '../config/replica-id.js';
import { OneStore } from '../replicas/one-store.js';
import { REPLICA_TTL_MS, Replicas, replicaKey } from '../replicas/replicas.js';
import { DiskPublishedFile } from '../trust/disk-published-file.js';
import { RestoreGuard } from '../trust/restore-guard.js';
import { ControlPlane } from './control-plane.js';
import { openStores } from './stores.js';
import { redisLinks, type RedisLinks, type RedisLogins } from './redis-links.js';

const CALL_TIMEOUT_MS = 5_000;
const LOOK_AT_CERTIFICATES_MS = 30_000;

/** A control plane and what to close after it. */
export interface Serving {
  readonly url: string;
  /** Takes in what may change while it serves: certificates, level of the log, identity provider; says what may not. */
  reload(config: ServerConfig): Promise<void>;
  stop(): Promise<void>;
}

/** Makes the adapters from the configuration and starts. */
export async function serve(
  config: ServerConfig,
  material: Material,
  log: Log,
  lookAtCertificatesMs = LOOK_AT_CERTIFICATES_MS,
): Promise<Serving> {
  const authorities = openAuthorities(config, material.secrets);
  makePrivateFolder(config.dataDir);
  const etcd = await connectEtcd(config, material);
  const clock = new SystemClock();
  const { close: closeStores, databaseId, ...stores } = openStores(config, material);
  const told = { etcd, store: stores.auditLog, signer: material.trust.online, clock, log };
  await tellOfRestore(config.dataDir, told);
  const redis = redisLinks(
    config.redis,
    redisLogins(config, material),
    log.child({ part: 'redis' }),
  );
  const commands = redis.shards.map((links) => links.commands);
  const oidc = new OidcSettings(config.oidc, material.oidcCa);
  const replicas = replicasOf(etcd, config.dataDir);
  const controlPlane = await ControlPlane.start(
    {
      clock,
      log,
      metrics: new Metrics(),
      trust: material.trust,
      authorities,
      ownCertificates: ownCertificates(config),
      hostHints: new RedisHostHints(commands),
      restoreGuard: new RestoreGuard(
        new DiskPublishedFile(join(config.dataDir, 'published.json'), log),
      ),
      adminToken: new AdminToken(material.adminTokenHash, config.adminTokenHashFile),
      oidc,
      agentEndpoints: material.agentRedis,
      etcd,
      replicas,
      oneStore: new OneStore(replicas, log, databaseId),
      channels: new Map(
        redis.shards.map(({ shard, commands, events }) => [
          shard,
          new RedisDeliveryChannel(commands, events, log.child({ part: 'delivery', redis: shard })),
        ]),
      ),
      inbox: new ShardedHostInbox(
        new Map(
          redis.shards.map(({ shard, commands, bells, events }) => [
            shard,
            new RedisHostInbox(shard, commands, bells, events),
          ]),
        ),
      ),
      hostUsers: new RedisHostUsers(
        redis.nodes,
        config.redis.username,
        log.child({ part: 'host-users' }),
      ),
      ...stores,
      heads: new RedisHeadChannel(commands),
      diagnosis: {
        survey: new LiveRedisSurvey(redis.nodes, redis.watches),
        dataDir: config.dataDir,
      },
      packagesDir: config.packagesDir,
    },
    { ...config.listen, tls: material.server, clients: config.tls.clients },
  );
  authorities.onChange(() => certificates.lookAnew());
  const uses = certificateUses(config, { authorities, controlPlane, etcd, redis });
  const certificates = new CertificateWatch(uses, material.secrets, log, lookAtCertificatesMs);
  return {
    url: controlPlane.url,
    reload: async (next) => {
      const ca = next.oidc?.ca && loadCa('oidc.ca', next.oidc.ca);
      oidc.replace(next.oidc, ca);
      log.setLevel(next.logLevel);
      await certificates.lookAnew();
      log.info('configuration taken in', { needsRestart: needingRestart(config, next) });
    },
    stop: async () => {
      await certificates.stop();
      await controlPlane.stop();
      await closeStores();
      redis.close();
    },
  };
}

function replicasOf(etcd: EtcdStore, dataDir: string): Replicas {
  const id = replicaId(dataDir);
  return new Replicas({ id, key: etcd.leasedKey(replicaKey(id), REPLICA_TTL_MS) });
}

/** Before anything else is started: channel keys that do not open end the start. */
async function connectEtcd(
  { etcd: { hosts }, keys }: ServerConfig,
  material: Material,
): Promise<EtcdStore> {
  const options = { hosts, credentials: material.etcd, callTimeoutMs: CALL_TIMEOUT_MS };
  const etcd = EtcdStore.connect(options);
  try {
    await checkChannelKeys(etcd, material.trust.keks, keys.channelKeyKeys);
    return etcd;
  } catch (error) {
    etcd.close();
    throw error;
  }
}

interface Connected {
  readonly authorities: Authorities;
  readonly controlPlane: ControlPlane;
  readonly etcd: EtcdStore;
  readonly redis: RedisLinks;
}

/** Every certificate of ours, and the server's of an embedded Redis; etcd reads its own at each handshake. */
function certificateUses(
  { tls, etcd, redis }: ServerConfig,
  to: Connected,
): readonly CertificateUse[] {
  const use = (
    name: string,
    files: Partial<TlsFiles> = {},
    take: CertificateUse['take'],
    beside?: readonly string[],
  ): readonly CertificateUse[] => {
    const { ca, cert, key } = files;
    return ca && cert && key ? [{ name, files: { ca, cert, key }, take, beside }] : [];
  };
  return [
    ...use(
      'https',
      tls,
      (pair) => {
        to.authorities.reload();
        to.controlPlane.useCertificate(pair);
      },
      // Another process of this installation, or a copy from another control plane, may replace the authority.
      to.authorities.files,
    ),
    ...use('etcd client', etcd.tls, (pair) => to.etcd.useCertificate(pair)),
    ...use('Redis client', redis.tls, (pair) => {
      for (const connection of to.redis.all) connection.useCertificate(pair);
    }),
    ...use('Sentinel client', redis.sentinel?.tls, (pair) => {
      for (const connection of to.redis.sentinels) connection.useCertificate(pair);
    }),
    ...use('Redis server', redis.server, async () => {
      const { server: files } = redis;
      if (!files) return;
      const told = to.redis.servers.map((server) => reloadServerCertificate(server, files));
      const failed = (await Promise.allSettled(told)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    }),
  ];
}

/** Those that are to be of the authority that signs before the one before it is given up. */
function ownCertificates({ tls, redis }: ServerConfig): OwnCertificates {
  const files = [tls.cert, redis.tls?.cert, redis.server?.cert];
  return new OwnCertificates(files.filter((file) => file !== undefined));
}

function redisLogins(
  { redis: { username, sentinel } }: ServerConfig,
  { redis: { tls, password, sentinel: ofSentinel } }: Material,
): RedisLogins {
  return {
    redis: { username, password, tls },
    sentinel: { ...ofSentinel, username: sentinel?.username },
  };
}
