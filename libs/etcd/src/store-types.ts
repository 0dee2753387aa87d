/** One key of etcd as it was at a revision. */
export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
}

/** `revision` is that of the snapshot which was read (the header's), never the maximum of mod revisions. */
export interface Listing {
  readonly items: readonly KeyValue[];
  readonly revision: bigint;
}

/** One page of a listing; `next` is the `after` of the following page, absent on the last. */
export interface ListPage extends Listing {
  readonly next?: string;
}

/** `modRevision: 0n` means: the key does not exist. */
export type Condition =
  | { readonly key: string; readonly modRevision: bigint }
  | { readonly key: string; readonly exists: boolean };

/** A change of one key; a key may occur once in a transaction. */
export type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer | string }
  | { readonly type: 'delete'; readonly key: string };

/** All of `then` happens at one revision, or, when a condition of `if` does not hold, nothing. */
export interface Transaction {
  readonly if?: readonly Condition[];
  readonly then: readonly Write[];
}

/** `revision` is where the writes became visible, or, if not succeeded, where the conditions were tested. */
export interface TransactionResult {
  readonly succeeded: boolean;
  readonly revision: bigint;
  /** `flat` up to 128 operations, `nested` above, `staged` where values went in beforehand (ADR-0002). */
  readonly form: 'flat' | 'nested' | 'staged';
}

/** One event of a watch. */
export interface Change {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** Absent for a deletion. */
  readonly value?: Buffer;
  readonly modRevision: bigint;
  readonly createRevision: bigint;
  readonly version: bigint;
}

/** Replaces everything the consumer holds of the prefix. */
export interface WatchSnapshot {
  readonly type: 'snapshot';
  readonly revision: bigint;
  readonly items: readonly KeyValue[];
  /** etcd was restored or emptied since, or nobody can tell: a key may have another value at a revision that was known. */
  readonly isOtherHistory: boolean;
}

/** `changes` are complete revisions in order, `revision` being the last of them. */
export type WatchMessage =
  | WatchSnapshot
  | { readonly type: 'changes'; readonly revision: bigint; readonly changes: readonly Change[] };

/** How a watch stands; `lagging` is for the reader to judge from `lastProgressAt` and `revision`. */
export interface WatchHealth {
  readonly connected: boolean;
  /** When etcd last answered, by `performance.now`, which nobody can set; 0 before the first. */
  readonly lastProgressAt: number;
  /** Everything up to here has been handed over. */
  readonly revision: bigint;
  readonly reconnects: number;
  readonly snapshots: number;
  readonly lastError?: string;
}

/** State of the member that answered, and the cluster's alarms. */
export interface EtcdStatus {
  readonly version: string;
  readonly revision: bigint;
  readonly leader: string;
  readonly member: string;
  readonly databaseBytes: number;
  /** For instance `NOSPACE`: the quota is reached, writes are refused. */
  readonly alarms: readonly string[];
}

/** PEM bytes; without them the connection is plain. */
export interface EtcdCredentials {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Name that the server's certificate must carry; needed where a host is an address. Loopback: `localhost`. */
  readonly serverName?: string;
}

/** What is issued anew from time to time. */
export type EtcdCertificate = Required<Pick<EtcdCredentials, 'ca' | 'cert' | 'key'>>;

export interface EtcdStoreOptions {
  /** `host:port`, or URLs; all of one cluster. */
  readonly hosts: readonly string[];
  readonly credentials?: EtcdCredentials;
  readonly auth?: { readonly username: string; readonly password: string };
  /** Deadline of every call, all hosts together; default 5,000. */
  readonly callTimeoutMs?: number;
  readonly watch?: WatchTimings;
  /** Injected for tests: uniform in [0, 1). */
  readonly random?: () => number;
  readonly now?: () => number;
}

export interface WatchTimings {
  /** A progress request is sent as often; default 5,000. */
  readonly progressEveryMs?: number;
  /** A stream that says nothing for as long is given up; default 12,000. */
  readonly silentAfterMs?: number;
  /** Longest wait between two attempts; default 5,000. */
  readonly maxBackoffMs?: number;
}
