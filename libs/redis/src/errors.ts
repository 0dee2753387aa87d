/** Base of all errors of this library; the client's own error is the cause. */
export abstract class RedisStoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Redis cannot be reached or did not answer in time. A write may have happened: every write here may be repeated. */
export class RedisUnavailable extends RedisStoreError {
  constructor(what: string, cause?: unknown) {
    super(`Redis is unavailable: ${what}; the state is made again from etcd when it is back`, {
      cause,
    });
  }
}

/** Redis refuses the user, the command, the key or the channel; waiting does not help. */
export class RedisRefused extends RedisStoreError {
  constructor(what: string, cause?: unknown) {
    super(`Redis refused: ${what}; look at the ACL of this user`, { cause });
  }
}

/** Redis has no memory left for writes. */
class RedisOutOfMemory extends RedisStoreError {
  constructor(cause?: unknown) {
    super('Redis has reached maxmemory', { cause });
  }
}

/** The node takes no writes: it follows another one, which is to be used instead. */
export class NotMaster extends RedisStoreError {
  constructor(address: string, role: string | undefined) {
    const said = role === undefined ? 'does not say whether it is a master' : `is a ${role}`;
    super(`Redis at ${address} ${said}, and only a master is used`);
  }
}

/** A value on Redis is not what belongs there; it was changed by someone else or cut. */
export class MalformedValue extends RedisStoreError {
  constructor(
    readonly key: string,
    why: string,
  ) {
    super(`the value of ${key} is ignored: ${why}`);
  }
}

/** Turns what the client throws into an error of ours; `what` names the operation. */
export function translateError(error: unknown, what: string): RedisStoreError {
  if (error instanceof RedisStoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (isRefusal(message)) return new RedisRefused(`${what}: ${message}`, error);
  if (message.startsWith('OOM')) return new RedisOutOfMemory(error);
  return new RedisUnavailable(`${what}: ${message}`, error);
}

function isRefusal(message: string): boolean {
  return /^(NOPERM|WRONGPASS|NOAUTH|WRONGTYPE|ERR unknown command|ERR wrong number)/.test(message);
}
