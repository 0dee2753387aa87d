import type { EtcdStore } from '#etcd';

const LOOK_EVERY_MS = 10_000;

/**
 * Whether etcd takes writes. One that has reached its space quota answers reads and watches as before, so nothing else
 * would tell before the next write is refused.
 */
export class EtcdWrites {
  #lookedAtMs = -Infinity;
  #isFull = false;

  constructor(private readonly etcd: Pick<EtcdStore, 'status'>) {}

  health(): { readonly ok: boolean; readonly detail: string } {
    return this.#isFull
      ? {
          ok: false,
          detail:
            'etcd has reached its space quota (NOSPACE) and takes no write; see hostward doctor',
        }
      : { ok: true, detail: 'etcd raises no alarm of space' };
  }

  /** Looks where it is time to; true where that changed. Never rejects: that etcd is away is told by the watch. */
  async look(nowMs: number): Promise<boolean> {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return false;
    this.#lookedAtMs = nowMs;
    const was = this.#isFull;
    const status = await this.etcd.status().catch(() => undefined);
    if (status) this.#isFull = status.alarms.includes('NOSPACE');
    return was !== this.#isFull;
  }
}
