import type { SignedDocument } from '#bundle';
import { CommandFailed } from '../output/errors.js';
import { withControlPlane } from '../client/session.js';

/** What `GET /v1/roots` tells. */
export interface TrustAnswer {
  readonly mode: 'managed' | 'authored';
  readonly version: number;
  readonly epoch: string;
  readonly roots: readonly SignedDocument[];
}

export function trustInForce(): Promise<TrustAnswer> {
  return withControlPlane((controlPlane) => controlPlane.call<TrustAnswer>('/v1/roots'));
}

/** The root document in force, signed. */
export async function currentRoot(): Promise<SignedDocument> {
  const newest = (await trustInForce()).roots.at(-1);
  if (newest) return newest;
  throw new CommandFailed('the control plane has no root document');
}

/** Puts the next root document in force. */
export function publishRoot(signed: SignedDocument): Promise<TrustAnswer> {
  return withControlPlane((controlPlane) =>
    controlPlane.call<TrustAnswer>('/v1/roots', { method: 'POST', body: signed }),
  );
}
