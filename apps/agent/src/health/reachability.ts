import { connectRedis, TlsSession, type RedisConnectionOptions } from '#redis';
import { errorMessage } from '../config/error-facts.js';
import { ControlPlaneClient } from './control-plane.client.js';
import { Surroundings } from './surroundings.js';

const SKEW_MS = 60_000;

/** Whether the control plane can be reached now, over connections that did not exist before. */
export abstract class Reachability {
  /** Resolves when it was reached; rejects with the reason. */
  abstract prove(): Promise<void>;
}

/** HTTPS under the pinned CA, then Redis, each on a connection of its own. */
export class ControlPlaneReachability extends Reachability {
  readonly #session = new TlsSession();

  constructor(
    private readonly client: ControlPlaneClient,
    private readonly redis: RedisConnectionOptions,
    private readonly around: Surroundings,
  ) {
    super();
  }

  async prove(): Promise<void> {
    const { conditions } = this.around;
    try {
      const { status, serverTime } = await this.client.get('/healthz');
      if (status !== 200) throw new Error(`/healthz answered ${status}`);
      this.#compareClocks(serverTime);
      conditions.clear('control-plane');
    } catch (cause) {
      conditions.raise('control-plane', explain(cause));
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

  /** A wrong clock makes certificates and assignments look expired: it is named before that happens. */
  #compareClocks(serverTime: number | undefined): void {
    if (serverTime === undefined) return;
    const skewMs = this.around.clock.now() - serverTime;
    if (Math.abs(skewMs) < SKEW_MS) return this.around.conditions.clear('clock');
    const direction = skewMs > 0 ? 'ahead of' : 'behind';
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    this.around.conditions.raise(
      'clock',
      `this host's clock is ${seconds} s ${direction} the control plane's: set it (timedatectl)`,
    );
  }
}

function explain(cause: unknown): string {
  const message = errorMessage(cause);
  const clock = /not yet valid|has expired|CERT_NOT_YET_VALID|CERT_HAS_EXPIRED/.test(message);
  return clock
    ? `the control plane's certificate is not valid at this host's time (${message}): compare the clocks of both`
    : `the control plane cannot be reached (${message}): enforcement goes on; see its /healthz and the route to it`;
}
