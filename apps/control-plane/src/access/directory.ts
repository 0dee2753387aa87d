import { etcdKeys, type WatchMessage } from '#etcd';
import type { Log } from '#observability';
import { RecordIndex } from '../store/record-index.js';
import { decodeApiToken, type ApiTokenRecord } from '../records/api-token.record.js';
import { decodeUser, type UserRecord } from '../records/user.record.js';

/**
 * Users and tokens as etcd has them, fed by the one watch: what is revoked on one replica is refused by all as soon as
 * the watch says so. A record that cannot be read lets nobody in.
 */
export class Directory {
  readonly users = new RecordIndex<UserRecord>();
  readonly tokens = new RecordIndex<ApiTokenRecord>();
  #read = false;

  constructor(private readonly log: Log) {}

  /** False before etcd was read: nobody but the break-in account is known then. */
  get ready(): boolean {
    return this.#read;
  }

  /** Takes one message of the watch. */
  take(message: WatchMessage): void {
    if (message.type === 'snapshot') {
      this.#replace(message.items);
      this.#read = true;
      return;
    }
    for (const { type, key, value, modRevision } of message.changes) {
      if (type === 'put' && value) this.#put(key, value, modRevision);
      else this.#delete(key);
    }
  }

  #replace(
    items: readonly {
      readonly key: string;
      readonly value: Buffer;
      readonly modRevision: bigint;
    }[],
  ): void {
    this.users.clear();
    this.tokens.clear();
    for (const { key, value, modRevision } of items) this.#put(key, value, modRevision);
  }

  #put(key: string, value: Buffer, revision: bigint): void {
    this.#delete(key);
    try {
      if (key.startsWith(etcdKeys.users))
        this.users.set(key.slice(etcdKeys.users.length), { record: decodeUser(value), revision });
      if (key.startsWith(etcdKeys.apiTokens)) {
        const id = key.slice(etcdKeys.apiTokens.length);
        this.tokens.set(id, { record: decodeApiToken(value), revision });
      }
    } catch (error) {
      this.log.error('a user or token cannot be read and lets nobody in', { key, error });
    }
  }

  #delete(key: string): void {
    if (key.startsWith(etcdKeys.users)) this.users.delete(key.slice(etcdKeys.users.length));
    if (key.startsWith(etcdKeys.apiTokens))
      this.tokens.delete(key.slice(etcdKeys.apiTokens.length));
  }
}
