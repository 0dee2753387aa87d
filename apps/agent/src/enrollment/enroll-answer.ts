import type { EnrollResponse } from '#contracts';
import type { ControlPlaneAnswer } from '../health/control-plane.client.js';
import { isRedisEndpoint } from './redis-endpoint.js';

/** The control plane did not enrol this host; the message holds its own words. Enrolling again is safe. */
export class EnrollmentRefused extends Error {
  override readonly name = 'EnrollmentRefused';
  constructor(
    readonly status: number,
    detail: string,
    /** After which it is worth to try again. */
    readonly retryAfterMs?: number,
  ) {
    super(`the control plane did not enrol this host (status ${status}): ${detail}`);
  }
}

/** Strict reading of the answer to POST /v1/enroll; throws EnrollmentRefused. */
export function parseEnrollAnswer({
  status,
  body,
  retryAfterMs,
}: ControlPlaneAnswer): EnrollResponse {
  if (status < 200 || status > 299)
    throw new EnrollmentRefused(status, problemOf(body), retryAfterMs);
  const value = asObject(parseJson(body));
  const redis = asObject(value?.redis);
  const texts = ['nodeId', 'name', 'certificate', 'ca'].map((key) => value?.[key]);
  const complete =
    texts.every((text) => typeof text === 'string' && text !== '') &&
    /^[0-9a-f]{64}$/.test(String(value?.nodeId)) &&
    value?.root !== undefined &&
    typeof redis?.username === 'string' &&
    isRedisEndpoint(redis) &&
    (redis.events === undefined || isRedisEndpoint(redis.events));
  if (!complete)
    throw new EnrollmentRefused(
      status,
      'its answer is not an enrolment; is another program behind the URL?',
    );
  return value as unknown as EnrollResponse;
}

function problemOf(body: string): string {
  const problem = asObject(parseJson(body));
  const parts = [problem?.title, problem?.detail].filter((part) => typeof part === 'string');
  return parts.length > 0 ? parts.join(': ') : body.slice(0, 200) || 'no reason given';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)
    : undefined;
}
