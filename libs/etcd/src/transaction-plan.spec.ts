import { describe, expect, it } from '@jest/globals';
import type { IRequestOp, ITxnRequest } from 'etcd3';
import { ValueTooLarge } from './errors.js';
import { encodePointer } from './staged-pointer.js';
import { type BytesWrite, checkedWrites, REQUEST_BYTES, toRequest } from './transaction-plan.js';

const key = (index: number): string => `/k/${index}`;

function request(conditions: number, writes: number): ITxnRequest {
  return toRequest(
    Array.from({ length: conditions }, (_, i) => ({ key: key(i), modRevision: 1n })),
    Array.from({ length: writes }, (_, i): BytesWrite => ({ type: 'delete', key: key(i) })),
  );
}

/** As etcd counts: what a level uses is missing below it. */
function deepest(transaction: ITxnRequest): number {
  const { compare = [], success = [], failure = [] } = transaction;
  const own = Math.max(compare.length, success.length, failure.length);
  const below = success.map((operation) =>
    operation.request_txn ? deepest(operation.request_txn) : 0,
  );
  return own + below.reduce((most, each) => Math.max(most, each), 0);
}

function leaves(operations: readonly IRequestOp[] = []): readonly IRequestOp[] {
  return operations.flatMap((operation) =>
    operation.request_txn ? leaves(operation.request_txn.success) : [operation],
  );
}

describe('the plan of a transaction', () => {
  it('is flat up to 128 operations', () => {
    expect(request(128, 128)).toMatchObject({ failure: [] });
    expect(request(128, 128).compare).toHaveLength(128);
    expect(request(128, 128).success).toHaveLength(128);
  });

  it.each([
    [129, 1],
    [0, 129],
    [1, 129],
    [2_000, 3_000],
    [30_000, 40_000],
  ])('of %i conditions and %i writes stays within the limit on every path', (tests, writes) => {
    const planned = request(tests, writes);
    expect(deepest(planned)).toBeLessThanOrEqual(128);
    expect(leaves(planned.success)).toHaveLength(writes);
  });

  it('undoes itself by a different impossible put for each group of conditions', () => {
    const aborts = request(500, 1)
      .success?.flatMap((operation) => operation.request_txn?.failure ?? [])
      .map((operation) => operation.request_put?.key?.toString());
    expect(aborts).toHaveLength(12);
    expect(new Set(aborts).size).toBe(12);
  });
});

describe('the writes of a transaction', () => {
  it('may not name a key twice', () => {
    const then = [
      { type: 'put', key: 'a', value: '1' },
      { type: 'delete', key: 'a' },
    ] as const;
    expect(() => checkedWrites({ then })).toThrow(/twice/);
  });

  it('may not be larger than a request', () => {
    const value = Buffer.alloc(REQUEST_BYTES);
    expect(() => checkedWrites({ then: [{ type: 'put', key: 'a', value }] })).toThrow(
      ValueTooLarge,
    );
  });

  it('may not read as a pointer to a staged body', () => {
    const value = encodePointer('x');
    expect(() => checkedWrites({ then: [{ type: 'put', key: 'a', value }] })).toThrow(/pointer/);
  });
});
