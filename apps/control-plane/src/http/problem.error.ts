import type { ApplyDocument, FieldError } from '#contracts';

/** What a problem may carry beside its status. */
export interface ProblemDetails {
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly documents?: readonly ApplyDocument[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Kinds of refusal a caller can act on; each has one status and one title. */
const PROBLEMS = {
  'bad-request': [400, 'The request cannot be read'],
  'invalid-input': [400, 'The request is not valid'],
  'not-authenticated': [401, 'A valid bearer token is needed'],
  'not-permitted': [403, 'This is not permitted'],
  'not-found': [404, 'There is no such thing'],
  conflict: [409, 'This conflicts with what exists'],
  'signature-needed': [409, 'This fleet takes only what its authors signed'],
  'precondition-failed': [412, 'The state is not the one expected'],
  'too-large': [413, 'The request is too large'],
  'unsupported-media-type': [415, 'The media type is not supported'],
  'invalid-documents': [422, 'Documents are not valid; nothing was written'],
  'would-lock-out': [422, 'A policy would block the control path; nothing was written'],
  'too-many-requests': [429, 'Too many requests'],
  'too-many-attempts': [429, 'Too many wrong secrets or tokens'],
  internal: [500, 'The control plane failed'],
  busy: [503, 'Too many come at once'],
  unavailable: [503, 'A store the control plane needs cannot be reached'],
} as const;
export type ProblemKind = keyof typeof PROBLEMS;
/** What is refused for what is there: without the field and a way on, nobody would know what to do about it. */
type Conflict = 'conflict' | 'signature-needed';
export type PlainProblem = Exclude<ProblemKind, Conflict>;
type WithWayOn = ProblemDetails & { readonly errors: readonly [FieldError, ...FieldError[]] };

/** Refuses a request; becomes an RFC 9457 problem document in the global filter. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly documents?: readonly ApplyDocument[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(kind: Conflict, details: WithWayOn);
  constructor(kind: PlainProblem, details?: ProblemDetails);
  constructor(
    readonly kind: ProblemKind,
    details: ProblemDetails = {},
  ) {
    const [status, title] = PROBLEMS[kind];
    super(details.detail ?? title, { cause: details.cause });
    this.status = status;
    this.title = title;
    this.detail = details.detail;
    this.errors = details.errors;
    this.documents = details.documents;
    this.headers = details.headers ?? {};
  }
}

/** 404 for a named thing. */
export function notFound(kind: string, name: string): ProblemError {
  return new ProblemError('not-found', { detail: `there is no ${kind} ${JSON.stringify(name)}` });
}

/** 400 for a body that is not understood. */
export function unreadable(detail: string): ProblemError {
  return new ProblemError('bad-request', { detail });
}

/** 400 for one field of a body, query or path. */
export function invalidField(
  field: string,
  value: unknown,
  message: string,
  remedy: string,
): ProblemError {
  return new ProblemError('invalid-input', {
    detail: `${field}: ${message}`,
    errors: [{ field, value: shown(value), message, remedy }],
  });
}

/** 409 for what goes against what is there; `message` is said of the field and its value, `remedy` names what leads on. */
export function conflict(
  field: string,
  value: unknown,
  message: string,
  remedy: string,
  cause?: unknown,
): ProblemError {
  return new ProblemError('conflict', { ...said(field, value, message, remedy), cause });
}

/** 409 for a change that others were faster than each time. */
export function writeConflict(target: string | undefined): ProblemError {
  const message = 'could not be changed: other writers were faster each time';
  return conflict('target', target, message, 'repeat it; nothing was written');
}

/** For what was not begun since too much is before it: 503, or 429 where it is the caller's own. */
export function notNow(
  kind: 'busy' | 'too-many-requests',
  field: string,
  value: string | undefined,
  message: string,
): ProblemError {
  const details = said(field, value, message, 'nothing was written; repeat it in a few seconds');
  return new ProblemError(kind, { ...details, headers: { 'retry-after': '2' } });
}

/** 409 in authored mode, for what only an author may change. */
export function signatureNeeded(field: string, value: string, remedy: string): ProblemError {
  const message = 'is changed by its author alone, since this fleet is in authored mode';
  return new ProblemError('signature-needed', said(field, value, message, remedy));
}

function said(field: string, value: unknown, message: string, remedy: string): WithWayOn {
  const text = shown(value);
  const what = text === undefined ? field : `${field} ${text}`;
  return {
    detail: `${what} ${message}: ${remedy}`,
    errors: [{ field, value: text, message, remedy }],
  };
}

const MAX_SHOWN = 200;

/** A value as it may be repeated to the caller: short, and always text. */
export function shown(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? typeof value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
