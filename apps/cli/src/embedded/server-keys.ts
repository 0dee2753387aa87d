import { HeldKey, heldPath } from './held-key.js';

const [ETCD_FD, REDIS_FD] = [3, 4];

/** What a program is to have under descriptor 3 and the following ones. */
export type Descriptors = readonly (number | 'ignore')[];

/**
 * The keys of the certificates of etcd and Redis, which read them from files: in memory, made anew at each start, so
 * that no copy of a disk has them. Each program has those that it needs, under the same descriptor as all others.
 */
export class ServerKeys {
  private readonly etcd = HeldKey.make('etcd');
  private readonly redis = HeldKey.make('redis');

  /** Where programs that have them read them. */
  static readonly paths = { etcd: heldPath(ETCD_FD), redis: heldPath(REDIS_FD) };

  /** For the program that makes them. */
  get all(): Descriptors {
    return [this.etcd.fd, this.redis.fd];
  }

  get forEtcd(): Descriptors {
    return [this.etcd.fd];
  }

  /** For Redis, and for the control plane, which has it read a new one. */
  get forRedis(): Descriptors {
    return ['ignore', this.redis.fd];
  }

  /** Where this process reads etcd's. */
  get etcdPath(): string {
    return this.etcd.path;
  }

  close(): void {
    this.etcd.close();
    this.redis.close();
  }
}
