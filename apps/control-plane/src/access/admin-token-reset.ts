import { Injectable } from '@nestjs/common';
import { EtcdStore, etcdKeys, type WatchMessage } from '#etcd';
import { Log } from '#observability';
import { EtcdLedger } from '../store/etcd-ledger.js';
import { AdminToken } from './admin-token.js';
import { SYSTEM } from '../auth/caller.js';

const ADMIN_TOKEN = etcdKeys.meta('admin-token');
const HASH = /^[0-9a-f]{64}$/;

/**
 * Has an admin token that was made anew on one machine end on all: each control plane has the hash of its own file, and
 * etcd has which of them have ended. Who is left with one of these takes no token, and never writes it over the new one.
 */
@Injectable()
export class AdminTokenReset {
  readonly #end: string;

  constructor(
    private readonly admin: AdminToken,
    private readonly etcd: EtcdStore,
    private readonly ledger: EtcdLedger,
    private readonly log: Log,
  ) {
    this.#end = etcdKeys.endedAdminToken(admin.hash);
  }

  /** Takes one message of the watch. What has ended stays so here, also where etcd forgets it. */
  take(message: WatchMessage): void {
    const ended =
      message.type === 'snapshot'
        ? message.items.some(({ key }) => key === this.#end)
        : message.changes.some(({ key, type }) => key === this.#end && type === 'put');
    if (!ended || this.admin.isEnded) return;
    this.admin.end();
    this.log.error(
      'the admin token was made anew on another control plane and the one of this file is not taken: copy the file from there, and restart',
      { file: this.admin.file },
    );
  }

  /**
   * Tells etcd and the audit log of a token that is another one than before, which ends that. False where others were
   * faster: then it is to be tried again. Throws the errors of #etcd and ProblemError.
   */
  async tell(): Promise<boolean> {
    if (this.admin.isEnded) return true;
    const found = await this.etcd.get(ADMIN_TOKEN);
    const before = found?.value.toString('utf8');
    const { hash } = this.admin;
    if (before === hash) return true;
    // What was damaged in etcd is the hash of no token.
    const ends = before && HASH.test(before) ? [etcdKeys.endedAdminToken(before)] : [];
    const { outcome } = await this.ledger.commit({
      if: [
        { key: ADMIN_TOKEN, modRevision: found?.modRevision ?? 0n },
        { key: this.#end, modRevision: 0n },
      ],
      then: [
        { type: 'put', key: ADMIN_TOKEN, value: hash },
        ...ends.map((key) => ({ type: 'put', key, value: hash }) as const),
      ],
      auditLog: {
        by: SYSTEM,
        action: before === undefined ? 'admin-token.made' : 'admin-token.reset',
        target: 'admin',
      },
    });
    return outcome === 'committed';
  }
}
