/** Kinds of refusal by which nothing was begun, so that anything may be said again, a change too. */
const NOT_BEGUN = ['urn:hostward:problem:busy', 'urn:hostward:problem:too-many-requests'];
/** Those who were refused at once do not come back at once. */
const SPREAD_MS = 1_000;

interface Refusal {
  readonly status: number;
  /** Seconds. */
  readonly retryAfter?: string;
  readonly body: unknown;
}

/** In how many ms to say a request again that was refused since there is too much to do; undefined for any other answer. */
export function waitOf({ status, retryAfter, body }: Refusal): number | undefined {
  if (status < 400 || !/^\d{1,6}$/.test(retryAfter ?? '')) return undefined;
  const { type } = (body ?? {}) as { readonly type?: unknown };
  if (!NOT_BEGUN.some((kind) => kind === type)) return undefined;
  return Math.ceil(Number(retryAfter) * 1_000 + Math.random() * SPREAD_MS);
}
