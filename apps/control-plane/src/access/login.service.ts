import { Injectable } from '@nestjs/common';
import { etcdKeys, type Condition } from '#etcd';
import type { LoginAnswer } from '#contracts';
import { ProblemError } from '../http/index.js';
import { currentSource } from '../auth/caller.js';
import { Directory } from './directory.js';
import { LoginGate } from './login.gate.js';
import { secretMatches } from '../auth/secret-hash.js';
import { Sessions } from './sessions.js';

const SESSION_MS = 12 * 3_600_000;

/** Mutex a secret into a session, slowly for who guesses. */
@Injectable()
export class LoginService {
  constructor(
    private readonly directory: Directory,
    private readonly gate: LoginGate,
    private readonly sessions: Sessions,
  ) {}

  /** Throws 429 where too many were wrong, and 401, after the same work, for unknown users and wrong secrets. */
  async login(name: string, secret: string): Promise<LoginAnswer> {
    const source = currentSource() ?? '';
    this.gate.enter(name, source);
    const user = this.directory.users.get(name)?.record;
    if (!(await secretMatches(secret, user?.secret)) || !user)
      throw this.gate.refused(source, wrongSecret(), user?.name);
    this.gate.right(name, source);
    return this.sessions.open({
      actor: `user/${name}`,
      name,
      restsOn: { user: { name, at: user.at } },
      ttlMs: SESSION_MS,
      source,
      stillSo: () => [this.#unchanged(name)],
    });
  }

  /** A user who was deleted while the secret was checked gets no session. */
  #unchanged(name: string): Condition {
    const revision = this.directory.users.get(name)?.revision ?? 0n;
    return { key: etcdKeys.user(name), modRevision: revision };
  }
}

function wrongSecret(): ProblemError {
  return new ProblemError('not-authenticated', { detail: 'user or secret is wrong' });
}
