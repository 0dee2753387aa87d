import { REPORT_INTERVAL_MS } from '#contracts';
import { connectRedis, TlsSession, type RedisConnectionOptions } from '#redis';
import type { ReportPace } from './report-pace.js';
import { compareClocks } from './clock-skew.js';
import { controlPlaneAway } from './control-plane-away.js';
import { ControlPlaneClient } from './control-plane.client.js';
import { Context } from './context.js';

/** Whether the control plane can be reached now, over connections that did not exist before. */
export abstract class Reachability {
  /** Resolves when it was reached; rejects with the reason. */
  abstract prove(): Promise<void>;
  /** Whether the ways there are open, when all hosts of a fleet ask at about the same time. Resolves and rejects as `prove`. */
  abstract proveWays(): Promise<void>;
}

/** HTTPS under the pinned CA, then Redis, each on a connection of its own. */
export class ControlPlaneReachability extends Reachability {
  readonly #session = new TlsSession();

  constructor(
    private readonly client: ControlPlaneClient,
    private readonly redis: RedisConnectionOptions,
    /** By it a host knows that it is one of many. */
    private readonly pace: Pick<ReportPace, 'everyMs'>,
    private readonly around: Context,
  ) {
    super();
  }

  /**
   * In a large fleet a handshake with each host would take all of the control plane's processor for half a minute: there a
   * connection that is only made stands for HTTPS (ADR-0018), unless something is wrong with it.
   */
  async proveWays(): Promise<void> {
    const { conditions } = this.around;
    const isOneOfMany = this.pace.everyMs > REPORT_INTERVAL_MS;
    if (!isOneOfMany || conditions.has('control-plane') || conditions.has('clock'))
      return this.prove();
    try {
      await this.client.connect();
    } catch (cause) {
      controlPlaneAway(this.around, cause);
      throw cause;
    }
    await this.#ping();
  }

  async prove(): Promise<void> {
    const { conditions } = this.around;
    try {
      const { status, serverTime } = await this.client.get('/healthz');
      if (status !== 200) throw new Error(`/healthz answered ${status}`);
      compareClocks(this.around, serverTime);
      conditions.clear('control-plane');
    } catch (cause) {
      controlPlaneAway(this.around, cause);
      throw cause;
    }
    await this.#ping();
  }

  async #ping(): Promise<void> {
    const connection = connectRedis({ ...this.redis, session: this.#session });
    try {
      await connection.run('a ping', (client) => client.ping());
    } finally {
      connection.close();
    }
  }
}
