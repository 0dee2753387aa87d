import { ProblemError } from './problem.error.js';

/** The JSON in a body that is taken as text, since what is signed is judged by its own parser. Throws 400. */
export function signedDocumentIn(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    throw new ProblemError('bad-request', { detail: 'the body is not JSON', cause });
  }
}
