import type { SignedDocument } from '#bundle';
import { publishCheck, type RedisConnection } from '#redis';
import { HeadChannel } from './head-herald.js';

/** Heads on the channel that every host hears. */
export class RedisHeadChannel extends HeadChannel {
  /** One of each Redis that hosts are on. */
  constructor(private readonly connections: readonly RedisConnection[]) {
    super();
  }

  override publish(head: SignedDocument, pace?: SignedDocument): Promise<void> {
    return publishCheck(this.connections, { auditLog: head, ...(pace && { pace }) });
  }
}
