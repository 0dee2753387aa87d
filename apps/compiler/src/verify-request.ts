import { decodeEnvelope, RefusedError, type VerifiedDelivery, verifyDelivery } from '#bundle';
import type { AssignmentVersion } from '#contracts';
import { type Fields, TAG } from '#sensor';
import { BUILT_AT_MS } from './built-at.js';
import type { Trust } from './trust.js';

/** The request was refused; `code` is kebab-case and shown to operators. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError';

  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What may be compiled: it came from whom this host believes, for this host, and is not older than what it has seen. */
export interface VerifiedRequest extends Pick<
  VerifiedDelivery,
  'assignment' | 'root' | 'minimumVersions' | 'policies'
> {
  /** Key ids of authors by policy, in authored mode. */
  readonly authors: ReadonlyMap<string, readonly string[]>;
  /** The time by which exceptions end, ms since 1970: none holds again whose end the sensor has seen to pass. */
  readonly nowMs: number;
}

/**
 * Verifies before anything of the content is compiled. The time is the latest of the host's clock, the last time that
 * was signed to it, and the build: on a host that boots in 1970 nothing counts that had expired. @throws RejectedError
 */
export async function verifyRequest(
  fields: Fields,
  trust: Trust,
  clockMs: number,
): Promise<VerifiedRequest> {
  const envelope = fields.bytes(TAG.ENVELOPE);
  if (envelope === undefined) throw new RejectedError('malformed', 'the request has no envelope');
  try {
    const { record, bundle } = decodeEnvelope(envelope);
    const highest = highestOf(fields);
    const now = Math.max(clockMs, BUILT_AT_MS, highest?.issuedAt ?? 0);
    const verified = await verifyDelivery({
      record,
      bundle,
      ...trust,
      highest,
      now,
      again: fields.number(TAG.AGAIN) === 1n,
    });
    const { policies } = verified;
    const authors = new Map(policies.map(({ name, authors: by = [] }) => [name, by]));
    const endedAt = Number(fields.number(TAG.ENDED_AT) ?? 0n);
    const nowMs = Math.max(now, verified.assignment.issuedAt, endedAt);
    return { ...verified, authors, nowMs };
  } catch (cause) {
    if (cause instanceof RefusedError)
      throw new RejectedError(cause.code, cause.message, { cause });
    throw cause;
  }
}

/** All zero means that nothing was seen yet. */
function highestOf(fields: Fields): AssignmentVersion | undefined {
  const [epoch, generation, issuedAt] = [TAG.EPOCH, TAG.GENERATION, TAG.ISSUED_AT].map((tag) =>
    fields.number(tag),
  );
  if (epoch === undefined || generation === undefined || issuedAt === undefined) {
    throw new RejectedError(
      'malformed',
      'the request does not say what is the highest assignment version seen',
    );
  }
  if (epoch === 0n && generation === 0n && issuedAt === 0n) return undefined;
  return { epoch: String(epoch), generation: String(generation), issuedAt: Number(issuedAt) };
}
