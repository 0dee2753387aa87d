import type { Check } from '#contracts';
import { publishCheck, type RedisConnection } from '#redis';
import { HostHints } from './host-hints.js';

/** Hints on the channel that every host hears. */
export class RedisHostHints extends HostHints {
  /** One of each Redis that hosts are on. */
  constructor(private readonly connections: readonly RedisConnection[]) {
    super();
  }

  override publish(data: Check): Promise<void> {
    return publishCheck(this.connections, data);
  }
}
