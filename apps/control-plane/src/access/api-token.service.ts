import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import type { ApiTokenView, Role } from '#contracts';
import { Clock, isoNow } from '../http/clock.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { notFound } from '../http/index.js';
import { apiTokenView, makeBearer, type ApiTokenRecord } from '../records/api-token.record.js';
import { actor } from '../auth/caller.js';
import { Directory } from './directory.js';
import { endOf, wasEnded } from '../store/ended-session.js';

/** What a token is to be. */
export interface ApiTokenOrder {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly selector?: string;
  readonly ttlMs: number;
}

/** API tokens: made, shown once, revoked. */
@Injectable()
export class ApiTokenService {
  constructor(
    private readonly directory: Directory,
    private readonly editor: FleetEditor,
    private readonly clock: Clock,
  ) {}

  /** The answer holds the token, and nothing else ever does. */
  async create({ name, roles, selector, ttlMs }: ApiTokenOrder): Promise<ApiTokenView> {
    const { id, token, hash } = makeBearer();
    const by = actor();
    const at = isoNow(this.clock);
    const expiresAt = new Date(this.clock.nowMs() + ttlMs).toISOString();
    const record: ApiTokenRecord = {
      ...{ v: 1, id, kind: 'api', hash, name, roles, selector, expiresAt, at, by },
    };
    const key = etcdKeys.apiToken(id);
    await this.editor.edit(() => ({
      if: [{ key, modRevision: 0n }],
      then: [{ type: 'put', key, value: JSON.stringify(record) }],
      auditLog: {
        ...{ by, action: 'api-token.created', target: id },
        detail: { name, roles, selector, expiresAt },
      },
    }));
    return apiTokenView(record, token);
  }

  /** Revokes a token or session: it counts for nothing as soon as this is written. */
  async delete(id: string, action = 'api-token.deleted'): Promise<void> {
    await this.editor.edit(() => {
      const found = this.directory.tokens.get(id);
      if (!found || wasEnded(found.record)) throw notFound('API token', id);
      return {
        if: [{ key: etcdKeys.apiToken(id), modRevision: found.revision }],
        then: [endOf(found.record, this.clock.nowMs())],
        auditLog: { by: actor(), action, target: id },
      };
    });
  }
}
