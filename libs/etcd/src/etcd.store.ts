import { Endpoints } from './endpoints.js';
import { TransactionConflict } from './errors.js';
import { EtcdLease } from './etcd-lease.js';
import { LeasedKey } from './leased-key.js';
import { PrefixWatch } from './prefix-watch.js';
import { type PageOptions, RangeReader } from './range-reader.js';
import type {
  Condition,
  EtcdCertificate,
  EtcdStatus,
  EtcdStoreOptions,
  KeyValue,
  ListPage,
  Listing,
  Transaction,
  TransactionResult,
} from './store-types.js';
import { readSnapshot } from './snapshot-stream.js';
import { Transactor } from './transactor.js';

/** The one way to etcd: every call has a deadline, every error is one of `errors.ts`. */
export class EtcdStore {
  private readonly endpoints: Endpoints;
  private readonly reader: RangeReader;
  private readonly transactor: Transactor;

  private constructor(private readonly options: EtcdStoreOptions) {
    this.endpoints = new Endpoints(options);
    this.reader = new RangeReader(this.endpoints);
    this.transactor = new Transactor(this.endpoints, this.reader);
  }

  /** Makes no call: a store can be made while etcd is down. */
  static connect(options: EtcdStoreOptions): EtcdStore {
    return new EtcdStore(options);
  }

  /** The key now (linearizable) or at a revision; undefined if it does not exist. */
  get(key: string, options: { readonly revision?: bigint } = {}): Promise<KeyValue | undefined> {
    return this.reader.get(key, options.revision);
  }

  /** Everything under a prefix, in key order, as of one revision, whatever its size. */
  async list(prefix: string, options: { readonly revision?: bigint } = {}): Promise<Listing> {
    const { items, revision } = await this.reader.list(prefix, options.revision);
    return { items, revision };
  }

  /** At most `limit` keys after `after`; pass the first page's revision on, so that all pages are of one state. */
  page(prefix: string, options: PageOptions): Promise<ListPage> {
    return this.reader.page(prefix, options);
  }

  /** All or nothing, at one revision, of any size (ADR-0002); says whether the conditions held. */
  transact(transaction: Transaction): Promise<TransactionResult> {
    return this.transactor.transact(transaction);
  }

  /** As `transact`, and throws {@link TransactionConflict} with the keys at fault when a condition does not hold. */
  async commit(transaction: Transaction): Promise<TransactionResult> {
    const result = await this.transact(transaction);
    if (result.succeeded) return result;
    throw new TransactionConflict(await this.broken(transaction.if ?? []), result.revision);
  }

  /** Follows a prefix; with `after`, without a first snapshot: from the revision of a list already made. */
  watch(prefix: string, after?: bigint): PrefixWatch {
    return new PrefixWatch(prefix, this.endpoints, this.reader, this.options, after);
  }

  /** A key that is there while its holder is; `start` takes it. */
  leasedKey(key: string, ttlMs: number): LeasedKey {
    return new LeasedKey(new EtcdLease(this.endpoints), key, ttlMs);
  }

  /** Newest revision, linearizable: what a watch must have reached not to lag. */
  async revision(): Promise<bigint> {
    return (await this.reader.history()).revision;
  }

  /** Takes a client certificate that was issued anew; running watches keep their connection until it breaks. */
  useCertificate(certificate: EtcdCertificate): void {
    this.endpoints.useCertificate(certificate);
  }

  /** Removes what crashed or overwritten large transactions left; call it at start and once an hour. */
  sweep(): Promise<number> {
    return this.transactor.sweep();
  }

  /**
   * All of etcd as of one revision, in the form that `etcdutl snapshot restore` takes: the database, then its SHA-256
   * (32 bytes). Throws EtcdUnavailable, in its middle too; what was read until then is no snapshot.
   */
  snapshot(): AsyncGenerator<Uint8Array> {
    return readSnapshot(this.endpoints.streamClient(0));
  }

  async status(): Promise<EtcdStatus> {
    const revision = await this.revision();
    return this.endpoints.read('status', async (client, options) => {
      const member = await client.maintenance.status(options);
      const { alarms } = await client.maintenance.alarm({ action: 'Get' }, options);
      return {
        version: member.version,
        revision,
        leader: member.leader,
        member: member.header.member_id,
        databaseBytes: Number(member.dbSize),
        alarms: alarms.map(({ alarm }) => String(alarm).toUpperCase()),
      };
    });
  }

  /** Ends all calls; watches end too. */
  close(): void {
    this.endpoints.close();
  }

  private async broken(conditions: readonly Condition[]): Promise<readonly string[]> {
    const tested = await Promise.all(
      conditions.slice(0, 256).map(async (condition) => {
        const item = await this.get(condition.key);
        return holds(condition, item) ? [] : [condition.key];
      }),
    );
    return tested.flat();
  }
}

function holds(condition: Condition, item: KeyValue | undefined): boolean {
  if ('exists' in condition) return condition.exists === (item !== undefined);
  return condition.modRevision === (item?.modRevision ?? 0n);
}
