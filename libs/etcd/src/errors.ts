/** What is known of a write after an error: `unknown` means that it may have happened; read before trying again. */
export type WriteOutcome = 'not-applied' | 'unknown';

/** Base of all errors of this library; the client's own error is the cause. */
export abstract class EtcdStoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** etcd cannot be reached, has no leader, or did not answer before the deadline. */
export class EtcdUnavailable extends EtcdStoreError {
  constructor(
    readonly what: string,
    readonly outcome: WriteOutcome,
    cause?: unknown,
  ) {
    super(`etcd is unavailable: ${what}; look at its process, link and quorum`, { cause });
  }
}

/** A condition of the transaction does not hold; nothing was written. */
export class TransactionConflict extends EtcdStoreError {
  constructor(
    readonly keys: readonly string[],
    readonly revision: bigint,
  ) {
    super(
      `changed by someone else at or before revision ${revision}: ${keys.join(', ')}; read again`,
    );
  }
}

/** One value exceeds what etcd takes in a request. */
export class ValueTooLarge extends EtcdStoreError {
  constructor(
    readonly key: string,
    readonly bytes: number,
    readonly limit: number,
  ) {
    super(`the value of ${key} has ${bytes} bytes, etcd takes ${limit}; make it smaller`);
  }
}

/** Too many operations to become visible at once, even with their values staged. */
export class TransactionTooLarge extends EtcdStoreError {
  constructor(
    readonly operations: number,
    readonly bytes: number,
    readonly limit: number,
  ) {
    super(
      `${operations} operations make ${bytes} bytes without their values, etcd takes ${limit}; split the set`,
    );
  }
}

/** The revision asked for is no longer kept. */
export class RevisionCompacted extends EtcdStoreError {
  constructor(cause?: unknown) {
    super('the revision was compacted; list again', { cause });
  }
}

/** etcd refuses by its space quota; compaction and defragmentation are needed, then `alarm disarm`. */
export class EtcdOutOfSpace extends EtcdStoreError {
  constructor(cause?: unknown) {
    super('etcd has reached its space quota; compact, defragment and disarm the alarm', { cause });
  }
}

/** etcd refuses the request itself: permission, authentication or a malformed request. */
export class EtcdRefused extends EtcdStoreError {
  constructor(what: string, cause?: unknown) {
    super(`etcd refused: ${what}`, { cause });
  }
}

/** One answer is larger than the client takes; a smaller page passes. */
export class AnswerTooLarge extends EtcdStoreError {
  constructor(cause?: unknown) {
    super('the answer is larger than one message may be; ask for a smaller page', { cause });
  }
}

/** The store was closed by its owner. */
export class StoreClosed extends EtcdStoreError {
  constructor() {
    super('the store is closed');
  }
}
