import { Injectable } from '@nestjs/common';
import { EtcdStore, etcdKeys } from '#etcd';
import { Clock } from '../http/clock.js';
import type { ApiTokenRecord } from '../records/api-token.record.js';
import { Directory } from './directory.js';

const HOUR_MS = 3_600_000;
const AT_ONCE = 100;

/** When API tokens were last used, to the hour: one write to etcd for a token and hour, however often it is used. */
@Injectable()
export class LastUse {
  readonly #used = new Set<string>();

  constructor(
    private readonly etcd: EtcdStore,
    private readonly directory: Directory,
    private readonly clock: Clock,
  ) {}

  /** Notes that a token is used now. */
  note(id: string): void {
    const record = this.directory.tokens.get(id)?.record;
    if (record?.kind === 'api' && record.lastUsedAt !== this.#hour()) this.#used.add(id);
  }

  /** Writes what is new; what somebody else has changed meanwhile stays as it is. */
  async flush(): Promise<void> {
    const ids = [...this.#used].slice(0, AT_ONCE);
    for (const id of ids) {
      this.#used.delete(id);
      const stored = this.directory.tokens.get(id);
      if (!stored || stored.record.lastUsedAt === this.#hour()) continue;
      const record: ApiTokenRecord = { ...stored.record, lastUsedAt: this.#hour() };
      const key = etcdKeys.apiToken(id);
      await this.etcd.transact({
        if: [{ key, modRevision: stored.revision }],
        then: [{ type: 'put', key, value: JSON.stringify(record) }],
      });
    }
  }

  #hour(): string {
    return new Date(Math.floor(this.clock.nowMs() / HOUR_MS) * HOUR_MS).toISOString();
  }
}
