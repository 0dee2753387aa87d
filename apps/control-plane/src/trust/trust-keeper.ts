import { Injectable } from '@nestjs/common';
import { inspectRoot } from '#bundle';
import { Log } from '#observability';
import { etcdKeys, EtcdStore, type WatchMessage, type WatchSnapshot } from '#etcd';
import { Trust } from '../config/trust.js';
import { AuthoredIndex } from './authored-index.js';

/** Follows root documents through etcd, and puts there those that etcd lacks: after a restore, and at the first start. */
@Injectable()
export class TrustKeeper {
  readonly #log: Log;
  #unkept = false;

  constructor(
    private readonly trust: Trust,
    private readonly authored: AuthoredIndex,
    private readonly etcd: EtcdStore,
    log: Log,
  ) {
    this.#log = log.child({ part: 'trust' });
  }

  /** Takes one message of the watch; true where the root document in force is another one now. */
  take(message: WatchMessage): boolean {
    const followed = rootsIn(message).map((value) => this.#follow(value));
    const moved = followed.includes(true);
    this.#unkept ||= moved;
    if (this.#unkept) this.#keep();
    if (moved) this.authored.recheck();
    this.authored.take(message);
    if (message.type === 'snapshot') void this.#publish(message);
    return moved;
  }

  /** A full disk takes no root document back; with the next message it is tried again. */
  #keep(): void {
    try {
      this.trust.keep();
      this.#unkept = false;
    } catch (error) {
      this.#log.error('the root document in force cannot be kept, trying again', { error });
    }
  }

  #follow(value: Uint8Array): boolean {
    try {
      const followed = this.trust.follow(JSON.parse(Buffer.from(value).toString('utf8')));
      const { version, epoch, mode } = this.trust.root.document;
      if (followed) this.#log.info('a new root document is in force', { version, epoch, mode });
      return followed;
    } catch (error) {
      this.#log.error('etcd holds a root document that does not follow ours', { error });
      return false;
    }
  }

  async #publish({ items }: WatchSnapshot): Promise<void> {
    const present = new Set(items.map(({ key }) => key));
    for (const signed of this.trust.roots) {
      const { version } = inspectRoot(signed).document;
      const key = etcdKeys.rootDocument(version);
      if (present.has(key)) continue;
      try {
        const put = { type: 'put', key, value: JSON.stringify(signed) } as const;
        await this.etcd.transact({ if: [{ key, modRevision: 0n }], then: [put] });
      } catch (error) {
        this.#log.warn('a root document is not in etcd yet', { version, error });
      }
    }
  }
}

function rootsIn(message: WatchMessage): readonly Uint8Array[] {
  const pairs = message.type === 'snapshot' ? message.items : message.changes;
  return [...pairs]
    .filter(({ key }) => key.startsWith(etcdKeys.roots))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap(({ value }) => value ?? []);
}
