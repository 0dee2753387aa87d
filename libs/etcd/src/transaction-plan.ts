import type { ICompare, IRequestOp, ITxnRequest } from 'etcd3';
import { ValueTooLarge } from './errors.js';
import { internalKeys } from './key-layout.js';
import { decodePointer } from './staged-pointer.js';
import type { Condition, Transaction, Write } from './store-types.js';

/** etcd's default of --max-txn-ops. */
export const FLAT_OPERATIONS = 128;
/** Three levels of 42 stay within 128 on every path, which is how etcd counts nested transactions. */
const BRANCH = 42;
/** Below etcd's 1.5 MiB: 1,500 KiB were seen to pass, 1,600 to be refused. */
export const REQUEST_BYTES = 1_500 * 1024;
const OPERATION_OVERHEAD = 24;

/** A write whose value is bytes. */
export type BytesWrite =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer }
  | { readonly type: 'delete'; readonly key: string };

/** Refuses what etcd could never take: a key twice, a value too large, a value that reads as a pointer of ours. */
export function checkedWrites(transaction: Transaction): readonly BytesWrite[] {
  const seen = new Set<string>();
  return transaction.then.map((write) => {
    if (seen.has(write.key)) throw new TypeError(`${write.key} occurs twice in one transaction`);
    seen.add(write.key);
    return write.type === 'delete' ? write : checkedPut(write);
  });
}

function checkedPut(write: Extract<Write, { type: 'put' }>): BytesWrite {
  const value = typeof write.value === 'string' ? Buffer.from(write.value) : write.value;
  const limit = REQUEST_BYTES - write.key.length - OPERATION_OVERHEAD;
  if (value.length > limit) throw new ValueTooLarge(write.key, value.length, limit);
  if (decodePointer(value) !== undefined) {
    throw new TypeError(`the value of ${write.key} begins like an internal pointer`);
  }
  return { type: 'put', key: write.key, value };
}

/** Upper estimate of the request's size on the wire. */
export function requestBytes(
  conditions: readonly Condition[],
  writes: readonly BytesWrite[],
): number {
  const tested = conditions.reduce((sum, { key }) => sum + key.length + OPERATION_OVERHEAD, 0);
  return writes.reduce((sum, write) => sum + writeBytes(write), tested);
}

export function writeBytes(write: BytesWrite): number {
  const value = write.type === 'put' ? write.value.length : 0;
  return write.key.length + value + OPERATION_OVERHEAD;
}

/**
 * One request for any number of operations. Up to 128 it is flat. Above, groups are nested transactions, which etcd
 * applies as one at one revision; a group of conditions that does not hold takes a branch with a put that etcd must
 * refuse, and that undoes the whole (ADR-0002).
 */
export function toRequest(
  conditions: readonly Condition[],
  writes: readonly BytesWrite[],
): ITxnRequest {
  const compare = conditions.map(toCompare);
  const success = writes.map(toOperation);
  if (isFlat(conditions, writes)) return { compare, success, failure: [] };
  const guards = chunks(compare, BRANCH).map((group, index) => guard(group, index));
  let level = [...guards, ...chunks(success, BRANCH).map(nest)];
  while (level.length > BRANCH) level = chunks(level, BRANCH).map(nest);
  return { compare: [], success: level, failure: [] };
}

export function isFlat(conditions: readonly Condition[], writes: readonly BytesWrite[]): boolean {
  return Math.max(conditions.length, writes.length) <= FLAT_OPERATIONS;
}

/** Splits into groups of at most `size`, in order. */
function chunks<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let start = 0; start < items.length; start += size) {
    groups.push(items.slice(start, start + size));
  }
  return groups;
}

function nest(success: IRequestOp[]): IRequestOp {
  return { request_txn: { compare: [], success, failure: [] } };
}

function guard(compare: ICompare[], index: number): IRequestOp {
  const abort = {
    request_put: { key: Buffer.from(internalKeys.abort(index)), ignore_value: true },
  };
  return { request_txn: { compare, success: [], failure: [abort] } };
}

function toCompare(condition: Condition): ICompare {
  const key = Buffer.from(condition.key);
  if ('modRevision' in condition) {
    return { key, target: 'Mod', result: 'Equal', mod_revision: condition.modRevision.toString() };
  }
  return { key, target: 'Version', result: condition.exists ? 'Greater' : 'Equal', version: '0' };
}

function toOperation(write: BytesWrite): IRequestOp {
  const key = Buffer.from(write.key);
  if (write.type === 'delete') return { request_delete_range: { key } };
  return { request_put: { key, value: write.value } };
}
