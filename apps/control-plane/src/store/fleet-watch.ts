import { Injectable } from '@nestjs/common';
import { EtcdStore, etcdKeys, type PrefixWatch, type WatchHealth } from '#etcd';
import { Log } from '#observability';
import { Fleet } from './fleet.js';

/** The one watch on etcd: everything this process knows of the fleet comes through here. */
@Injectable()
export class FleetWatch {
  readonly #watch: PrefixWatch;
  #done: Promise<void> = Promise.resolve();

  constructor(
    etcd: EtcdStore,
    private readonly fleet: Fleet,
    private readonly log: Log,
  ) {
    this.#watch = etcd.watch(etcdKeys.root);
  }

  /** Begins to follow; goes on by itself while etcd is away. */
  start(): void {
    this.#done = this.#follow();
  }

  health(): WatchHealth {
    return this.#watch.health();
  }

  async stop(): Promise<void> {
    this.#watch.close();
    await this.#done;
  }

  async #follow(): Promise<void> {
    try {
      for await (const message of this.#watch) {
        if (message.type === 'snapshot')
          this.log.info('read the fleet from etcd', { revision: message.revision });
        this.fleet.take(message);
      }
    } catch (error) {
      // A fleet that stands still must not look alive: readiness says that the watch lags.
      this.log.error('the watch ended', { error });
    }
  }
}
