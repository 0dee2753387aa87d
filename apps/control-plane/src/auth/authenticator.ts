import type { Caller } from './caller.js';

/** Tells who a bearer token belongs to. The guard's port; `access` implements it. */
export abstract class Authenticator {
  /** Undefined for a token that is unknown, expired or revoked, or whose user is gone. Throws 503 before etcd was read. */
  abstract callerOf(token: string, source: string): Caller | undefined;

  /** Counts a call without a valid token, for the log of failed logins. */
  abstract failed(source: string): void;
}
