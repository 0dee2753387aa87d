import {
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdPermissionDeniedError,
  GRPCInvalidArgumentError,
  GRPCUnauthenticatedError,
} from 'etcd3';
import {
  AnswerTooLarge,
  EtcdOutOfSpace,
  EtcdRefused,
  EtcdStoreError,
  EtcdUnavailable,
  RevisionCompacted,
} from './errors.js';

/** A conditional put of a key that never exists was reached: a condition of a nested transaction does not hold. */
export class TransactionAborted extends EtcdStoreError {
  constructor(cause: unknown) {
    super('a condition of the transaction does not hold', { cause });
  }
}

/** Message parts that say more than the gRPC code does. */
const BY_MESSAGE: readonly (readonly [RegExp, (what: string, cause: unknown) => EtcdStoreError])[] =
  [
    [/etcdserver: key not found/, (_, cause) => new TransactionAborted(cause)],
    [/revision has been compacted/, (_, cause) => new RevisionCompacted(cause)],
    [/database space exceeded/, (_, cause) => new EtcdOutOfSpace(cause)],
    [/Received message larger than max/, (_, cause) => new AnswerTooLarge(cause)],
    // Nothing left this machine, or the server refused before proposing.
    [/No connection established|Name resolution failed|too many requests|future revision/, notSent],
    [/request is too large|larger than max/, (what, cause) => refused(what, cause)],
  ];

const REFUSALS = [
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdPermissionDeniedError,
  GRPCInvalidArgumentError,
  GRPCUnauthenticatedError,
];

/** Turns what the client throws into an error of ours; `what` names the operation. */
export function translateError(error: unknown, what: string): EtcdStoreError {
  if (error instanceof EtcdStoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  for (const [pattern, make] of BY_MESSAGE) if (pattern.test(message)) return make(what, error);
  if (REFUSALS.some((type) => error instanceof type)) return refused(what, error);
  return outage(what, message, error);
}

function notSent(what: string, cause: unknown): EtcdUnavailable {
  return new EtcdUnavailable(`${what} was not sent`, 'not-applied', cause);
}

function outage(what: string, message: string, cause: unknown): EtcdUnavailable {
  return new EtcdUnavailable(`${what}: ${message}`, 'unknown', cause);
}

function refused(what: string, cause: unknown): EtcdRefused {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EtcdRefused(`${what}: ${reason}`, cause);
}
