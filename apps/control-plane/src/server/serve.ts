import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import { connectRedis, type RedisConnectionOptions } from '#redis';
import { AdminToken } from '../access/index.js';
import { SystemClock } from '../clock.js';
import type { ServerConfig } from '../config/index.js';
import type { Material } from '../config/material.js';
import { RedisDeliveryChannel } from '../delivery/redis-delivery-channel.js';
import { SqliteAlertStore } from '../events/sqlite-alert.store.js';
import { Metrics } from '../health/metrics.js';
import { RedisHostInbox } from '../reports/redis-host-inbox.js';
import { ControlPlane } from './control-plane.js';

const CALL_TIMEOUT_MS = 5_000;

/** A control plane and what to close after it. */
export interface Serving {
  readonly url: string;
  stop(): Promise<void>;
}

/** Makes the adapters from the configuration and starts. */
export async function serve(config: ServerConfig, material: Material, log: Log): Promise<Serving> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const commands = connectRedis(redisOptions(config, material));
  const bells = connectRedis(redisOptions(config, material));
  const controlPlane = await ControlPlane.start(
    {
      clock: new SystemClock(),
      log,
      metrics: new Metrics(),
      trust: material.trust,
      adminToken: new AdminToken(material.adminTokenHash),
      agentEndpoint: material.agentRedis,
      etcd: EtcdStore.connect({
        hosts: config.etcd.hosts,
        credentials: material.etcd,
        callTimeoutMs: CALL_TIMEOUT_MS,
      }),
      channel: new RedisDeliveryChannel(commands, log.child({ part: 'delivery' })),
      inbox: new RedisHostInbox(commands, bells),
      alerts: new SqliteAlertStore(join(config.dataDir, 'alerts.db')),
    },
    { ...config.listen, tls: material.server, clients: config.tls.clients },
  );
  return {
    url: controlPlane.url,
    stop: async () => {
      await controlPlane.stop();
      commands.close();
      bells.close();
    },
  };
}

function redisOptions(
  { redis }: ServerConfig,
  { redis: { tls, password } }: Material,
): RedisConnectionOptions {
  const { host, port, username } = redis;
  return { host, port, username, password, tls };
}
