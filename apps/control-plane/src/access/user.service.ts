import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import type { Role, UserView } from '#contracts';
import { Clock, isoNow } from '../http/clock.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { notFound, conflict } from '../http/index.js';
import { actor } from '../auth/caller.js';
import { Directory } from './directory.js';
import { hashSecret } from '../auth/secret-hash.js';
import { userView, type UserRecord } from '../records/user.record.js';

/** What a user is to be. */
export interface UserOrder {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly selector?: string;
  readonly secret: string;
}

/** Local users: made and deleted; to change one is to make it anew. */
@Injectable()
export class UserService {
  constructor(
    private readonly directory: Directory,
    private readonly editor: FleetEditor,
    private readonly clock: Clock,
  ) {}

  /** Throws 409 for a name that is taken. */
  async create({ name, roles, selector, secret }: UserOrder): Promise<UserView> {
    const hash = await hashSecret(secret);
    const by = actor();
    const at = isoNow(this.clock);
    const record: UserRecord = { v: 1, name, roles, selector, secret: hash, at, by };
    const key = etcdKeys.user(name);
    await this.editor.edit(() => {
      if (this.directory.users.get(name))
        throw conflict(
          'name',
          name,
          'is that of a user already',
          `choose another one, or make this one anew after \`hostward delete user ${name}\``,
        );
      return {
        if: [{ key, modRevision: 0n }],
        then: [{ type: 'put', key, value: JSON.stringify(record) }],
        auditLog: { by, action: 'user.created', target: name, detail: { roles, selector } },
      };
    });
    return userView(record);
  }

  /** Its sessions count for nothing as soon as this is written. */
  async delete(name: string): Promise<void> {
    await this.editor.edit(() => {
      const found = this.directory.users.get(name);
      if (!found) throw notFound('user', name);
      const key = etcdKeys.user(name);
      return {
        if: [{ key, modRevision: found.revision }],
        then: [{ type: 'delete', key }],
        auditLog: { by: actor(), action: 'user.deleted', target: name },
      };
    });
  }
}
