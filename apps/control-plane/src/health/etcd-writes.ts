import { Injectable } from '@nestjs/common';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import { Periodic } from './periodic.decorator.js';

/**
 * Whether etcd takes writes. One that has reached its space quota answers reads and watches as before, so nothing else
 * would tell before the next write is refused.
 */
@Injectable()
export class EtcdWrites {
  #isFull = false;

  constructor(
    private readonly etcd: EtcdStore,
    private readonly log: Log,
  ) {}

  health(): { readonly ok: boolean; readonly detail: string } {
    return this.#isFull
      ? {
          ok: false,
          detail:
            'etcd has reached its space quota (NOSPACE) and takes no write; see hostward doctor',
        }
      : { ok: true, detail: 'etcd raises no alarm of space' };
  }

  /** Looks, and says in the log what changed. Rejects while etcd is away, which the watch tells. */
  @Periodic({ name: 'check-etcd-writes', everyMs: 10_000, atStart: true })
  async look(): Promise<void> {
    const was = this.#isFull;
    this.#isFull = (await this.etcd.status()).alarms.includes('NOSPACE');
    if (was === this.#isFull) return;
    if (was) this.log.info('etcd takes writes again');
    else this.log.error('etcd takes no writes', { remedy: this.health().detail });
  }
}
