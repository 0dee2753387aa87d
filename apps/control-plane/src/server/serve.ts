import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import {
  connectRedis,
  reloadServerCertificate,
  type RedisConnection,
  type RedisConnectionOptions,
} from '#redis';
import { AdminToken } from '../access/index.js';
import { CertificateWatch, type CertificateUse } from '../certificates/certificate-watch.js';
import { SystemClock } from '../clock.js';
import type { PairFiles, ServerConfig } from '../config/index.js';
import type { Material } from '../config/material.js';
import { RedisDeliveryChannel } from '../delivery/redis-delivery-channel.js';
import { SqliteAlertStore } from '../events/sqlite-alert.store.js';
import { Metrics } from '../health/metrics.js';
import { RedisHostInbox } from '../reports/redis-host-inbox.js';
import { ControlPlane } from './control-plane.js';

const CALL_TIMEOUT_MS = 5_000;
const LOOK_AT_CERTIFICATES_MS = 30_000;

/** A control plane and what to close after it. */
export interface Serving {
  readonly url: string;
  stop(): Promise<void>;
}

/** Makes the adapters from the configuration and starts. */
export async function serve(
  config: ServerConfig,
  material: Material,
  log: Log,
  lookAtCertificatesMs = LOOK_AT_CERTIFICATES_MS,
): Promise<Serving> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const commands = connectRedis(redisOptions(config, material));
  const bells = connectRedis(redisOptions(config, material));
  const etcd = EtcdStore.connect({
    hosts: config.etcd.hosts,
    credentials: material.etcd,
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
  const controlPlane = await ControlPlane.start(
    {
      clock: new SystemClock(),
      log,
      metrics: new Metrics(),
      trust: material.trust,
      adminToken: new AdminToken(material.adminTokenHash),
      agentEndpoint: material.agentRedis,
      etcd,
      channel: new RedisDeliveryChannel(commands, log.child({ part: 'delivery' })),
      inbox: new RedisHostInbox(commands, bells),
      alerts: new SqliteAlertStore(join(config.dataDir, 'alerts.db')),
    },
    { ...config.listen, tls: material.server, clients: config.tls.clients },
  );
  const uses = certificateUses(config, material, { controlPlane, etcd, commands, bells });
  const certificates = new CertificateWatch(uses, log, lookAtCertificatesMs);
  return {
    url: controlPlane.url,
    stop: async () => {
      await certificates.stop();
      await controlPlane.stop();
      commands.close();
      bells.close();
    },
  };
}

interface Connected {
  readonly controlPlane: ControlPlane;
  readonly etcd: EtcdStore;
  readonly commands: RedisConnection;
  readonly bells: RedisConnection;
}

/** Every certificate of ours, and the server's of an embedded Redis; etcd reads its own at each handshake. */
function certificateUses(
  { tls, etcd, redis }: ServerConfig,
  material: Material,
  to: Connected,
): readonly CertificateUse[] {
  const use = (
    name: string,
    { cert, key }: Partial<PairFiles> = {},
    take: CertificateUse['take'],
  ): readonly CertificateUse[] => (cert && key ? [{ name, files: { cert, key }, take }] : []);
  const { etcd: credentials } = material;
  return [
    ...use('https', tls, (pair) => to.controlPlane.useCertificate(pair)),
    ...use('etcd client', etcd.tls, (pair) => {
      if (credentials) to.etcd.useCredentials({ ...credentials, ...pair });
    }),
    ...use('Redis client', redis.tls, (pair) => {
      to.commands.useCertificate(pair);
      to.bells.useCertificate(pair);
    }),
    ...use('Redis server', redis.server, () => {
      return redis.server && reloadServerCertificate(to.commands, redis.server);
    }),
  ];
}

function redisOptions(
  { redis }: ServerConfig,
  { redis: { tls, password } }: Material,
): RedisConnectionOptions {
  const { host, port, username } = redis;
  return { host, port, username, password, tls };
}
