import type { Endpoints } from './endpoints.js';
import { randomBytes } from 'node:crypto';
import { EtcdUnavailable, TransactionTooLarge } from './errors.js';
import { internalKeys } from './key-layout.js';
import type { RangeReader } from './range-reader.js';
import { encodePointer } from './staged-pointer.js';
import { StagingArea } from './staging-area.js';
import type { Condition, Transaction, TransactionResult } from './store-types.js';
import {
  type BytesWrite,
  checkedWrites,
  isFlat,
  REQUEST_BYTES,
  requestBytes,
  toRequest,
} from './transaction-plan.js';
import { TransactionAborted } from './translate-error.js';

/** Smaller values are not worth a body of their own. */
const STAGED_FROM_BYTES = 128;

/** Makes a change set visible at one revision, whatever its size, or not at all. */
export class Transactor {
  private readonly staging: StagingArea;

  constructor(
    private readonly endpoints: Endpoints,
    private readonly reader: RangeReader,
  ) {
    this.staging = new StagingArea(endpoints, reader);
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    const conditions = transaction.if ?? [];
    const writes = checkedWrites(transaction);
    if (requestBytes(conditions, writes) > REQUEST_BYTES) return this.staged(conditions, writes);
    const form = isFlat(conditions, writes) ? 'flat' : 'nested';
    return { ...(await this.execute(conditions, writes)), form };
  }

  /** Removes bodies that nothing points to any more; see ADR-0002 for why it can never remove a live one. */
  sweep(): Promise<number> {
    return this.staging.sweep();
  }

  private async staged(
    conditions: readonly Condition[],
    writes: readonly BytesWrite[],
  ): Promise<TransactionResult> {
    const id = randomBytes(9).toString('base64url');
    const bodies = writes.filter(isLarge);
    const pointed = writes.map((write) => (isLarge(write) ? pointTo(id, write) : write));
    const guarded = [...conditions, { key: internalKeys.staging(id), exists: true }];
    this.refuseTooLarge(guarded, pointed);
    await this.staging.store(id, bodies);
    const closing: BytesWrite = { type: 'delete', key: internalKeys.staging(id) };
    const outcome = await this.execute(guarded, [...pointed, closing]);
    if (!outcome.succeeded) await this.afterAbort(id);
    return { ...outcome, form: 'staged' };
  }

  private async execute(
    conditions: readonly Condition[],
    writes: readonly BytesWrite[],
  ): Promise<Omit<TransactionResult, 'form'>> {
    const request = toRequest(conditions, writes);
    const what = `a transaction of ${writes.length} writes`;
    try {
      const answer = await this.endpoints.write(what, (client, options) =>
        client.kv.txn(request, options),
      );
      return { succeeded: answer.succeeded, revision: BigInt(answer.header.revision) };
    } catch (error) {
      if (!(error instanceof TransactionAborted)) throw error;
      return { succeeded: false, revision: (await this.reader.history()).revision };
    }
  }

  private async afterAbort(id: string): Promise<void> {
    const alive = await this.staging.isOpen(id);
    await this.staging.discard(id);
    if (!alive) {
      throw new EtcdUnavailable('staging took longer than its lease', 'not-applied');
    }
  }

  private refuseTooLarge(conditions: readonly Condition[], writes: readonly BytesWrite[]): void {
    const bytes = requestBytes(conditions, writes);
    if (bytes <= REQUEST_BYTES) return;
    throw new TransactionTooLarge(writes.length, bytes, REQUEST_BYTES);
  }
}

function isLarge(write: BytesWrite): write is Extract<BytesWrite, { type: 'put' }> {
  return write.type === 'put' && write.value.length >= STAGED_FROM_BYTES;
}

function pointTo(id: string, write: BytesWrite): BytesWrite {
  return { type: 'put', key: write.key, value: encodePointer(id) };
}
