import { Injectable } from '@nestjs/common';
import { etcdKeys, type Condition, type Write } from '#etcd';
import type { LoginAnswer } from '#contracts';
import { Clock } from '../http/clock.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { ProblemError } from '../http/index.js';
import { makeBearer, type ApiTokenRecord } from '../records/api-token.record.js';
import { Authenticator } from '../auth/authenticator.js';
import { callerView } from '../auth/caller.js';
import { Directory } from './directory.js';
import { endOf, isKept } from '../store/ended-session.js';

/** Of one user at a time; a further login ends the oldest, so that logins cannot fill etcd. */
const MAX_SESSIONS = 20;

/** Whose session it is to be, and what it rests on. */
export interface SessionOrder {
  /** As the audit log names who logs in. */
  readonly actor: string;
  /** By which the sessions of one are found. */
  readonly name: string;
  readonly restsOn: Pick<ApiTokenRecord, 'user' | 'oidc'>;
  readonly ttlMs: number;
  readonly source: string;
  /** Default: one by chance. An id that is taken is not given again. */
  readonly id?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  /** What must still be so when it is written; may throw. */
  readonly stillSo: () => readonly Condition[];
}

/** Opens sessions for those whose credential was checked. */
@Injectable()
export class Sessions {
  constructor(
    private readonly directory: Directory,
    private readonly editor: FleetEditor,
    private readonly authenticator: Authenticator,
    private readonly clock: Clock,
  ) {}

  /** The answer holds the session's token, and nothing else ever does. */
  async open(order: SessionOrder): Promise<LoginAnswer> {
    const { id, token, hash } = makeBearer(order.id);
    const { actor, name, restsOn, source, detail, stillSo } = order;
    const nowMs = this.clock.nowMs();
    const expiresAt = new Date(nowMs + order.ttlMs).toISOString();
    const record: ApiTokenRecord = {
      ...{ v: 1, id, kind: 'session', hash, name, roles: [], ...restsOn, expiresAt },
      ...{ at: new Date(nowMs).toISOString(), by: actor },
    };
    const key = etcdKeys.apiToken(id);
    await this.editor.edit(() => ({
      if: [{ key, modRevision: 0n }, ...stillSo()],
      then: [{ type: 'put', key, value: JSON.stringify(record) }, ...this.#outdated(name, nowMs)],
      auditLog: { by: actor, action: 'login', target: actor, detail: { session: id, ...detail } },
    }));
    const caller = this.authenticator.callerOf(token, source);
    if (!caller) throw new ProblemError('unavailable', { detail: 'the login is not known yet' });
    return { ...callerView(caller), token, expiresAt };
  }

  /** What clears away sessions of a user that have ended, and ends the oldest of too many. */
  #outdated(user: string, nowMs: number): readonly Write[] {
    const sessions = this.directory.tokens
      .sorted()
      .map(({ record }) => record)
      .filter(({ kind, name }) => kind === 'session' && name === user)
      .sort((a, b) => (a.at < b.at ? 1 : -1));
    const hasEnded = ({ expiresAt }: ApiTokenRecord) => Date.parse(expiresAt) <= nowMs;
    const ended = sessions.filter((each) => hasEnded(each) && !isKept(each, nowMs));
    const tooMany = sessions.filter((each) => !hasEnded(each)).slice(MAX_SESSIONS - 1);
    return [...ended, ...tooMany].map((each) => endOf(each, nowMs));
  }
}
