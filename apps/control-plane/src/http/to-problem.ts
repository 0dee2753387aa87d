import { HttpException } from '@nestjs/common';
import {
  EtcdOutOfSpace,
  EtcdUnavailable,
  TransactionTooLarge,
  ValueTooLarge,
  type WriteOutcome,
} from '#etcd';
import type { Problem } from '#contracts';
import { PostgresError } from '#postgresql';
import { RedisUnavailable } from '#redis';
import { ProblemError, type PlainProblem } from './problem.error.js';

const BY_STATUS: Readonly<Record<number, PlainProblem>> = {
  401: 'not-authenticated',
  403: 'not-permitted',
  404: 'not-found',
  412: 'precondition-failed',
  413: 'too-large',
  415: 'unsupported-media-type',
  429: 'too-many-requests',
  503: 'unavailable',
};

/** What a caught value means to the caller; whatever nobody foresaw is `internal`, without its message. */
export function toProblemError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof ValueTooLarge || error instanceof TransactionTooLarge) {
    return new ProblemError('too-large', { cause: error, detail: error.message });
  }
  if (error instanceof EtcdOutOfSpace) return full(error);
  if (error instanceof EtcdUnavailable) return unavailable(error);
  if (error instanceof PostgresError) return storeUnavailable(error);
  if (error instanceof RedisUnavailable) return redisUnavailable(error);
  const status = statusOf(error);
  if (status === undefined || status >= 500 || status < 400) {
    return status === 503 ? unavailable(error) : new ProblemError('internal', { cause: error });
  }
  const detail = error instanceof Error ? error.message.slice(0, 500) : undefined;
  return new ProblemError(BY_STATUS[status] ?? 'bad-request', { cause: error, detail });
}

/** Nothing of its address, and no signed status. */
function storeUnavailable(cause: PostgresError): ProblemError {
  const detail = 'the store of alerts and audit log cannot be used now: see /readyz';
  return new ProblemError('unavailable', { cause, detail, headers: { 'retry-after': '5' } });
}

/** Nothing of its address. */
function redisUnavailable(cause: RedisUnavailable): ProblemError {
  const detail = 'what hosts have signed lies in Redis, which does not answer now: see /readyz';
  return new ProblemError('unavailable', { cause, detail, headers: { 'retry-after': '5' } });
}

/** Nothing was written, and nothing will be until somebody makes room. */
function full(cause: EtcdOutOfSpace): ProblemError {
  const detail =
    'etcd has reached its space quota and takes no write: hostward doctor says how to make room';
  return new ProblemError('unavailable', { cause, detail, headers: { 'retry-after': '60' } });
}

/** Says whether a write may have happened; `etcd` and nothing of its address. */
function unavailable(error: unknown): ProblemError {
  const detail = error instanceof EtcdUnavailable ? ETCD_AWAY[error.outcome] : undefined;
  return new ProblemError('unavailable', { cause: error, detail, headers: { 'retry-after': '2' } });
}

const ETCD_AWAY: Readonly<Record<WriteOutcome, string>> = {
  unknown: 'etcd did not answer: a write may have happened, read before trying again',
  'not-applied': 'etcd does not answer now',
};

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

/** The document of RFC 9457. */
export function toProblem(error: ProblemError): Problem {
  return {
    type: `urn:hostward:problem:${error.kind}`,
    title: error.title,
    status: error.status,
    detail: error.detail,
    errors: error.errors,
    documents: error.documents,
  };
}
