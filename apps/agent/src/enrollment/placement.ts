import {
  parseControlPlaneAddress,
  type ControlPlaneAddress,
  type RedirectMinimumVersion,
} from '#bundle';
import type { RedirectOffer } from '#contracts';
import { writeFileAtomic } from '../config/atomic-file.js';
import { readIfThere } from '../trust/key-file.js';
import { normalFingerprint } from '../trust/pinned-ca.js';

/** A control plane that a redirect led to, and the folder, beside the agent's files, of what was agreed with it. */
export interface Place extends ControlPlaneAddress {
  readonly folder: string;
}

/** Why the newest redirect was not followed, so far; times in ms since 1970. */
export interface RedirectFailure {
  readonly issuedAt: number;
  readonly to: string;
  readonly code: string;
  readonly message: string;
  readonly at: number;
  readonly attempts: number;
}

/**
 * Where redirects have led this host; one file, replaced whole, so that a power cut leaves the one before or the one
 * after. agent.yaml is never written: `configured` is what it said when the host followed.
 */
export interface Placement {
  readonly v: 1;
  readonly configured: ControlPlaneAddress;
  /** The newest redirect that was taken: none that is older counts any more. */
  readonly newest: RedirectMinimumVersion;
  /** The order that is still to be followed; it holds although the control plane before may be gone. */
  readonly offer?: RedirectOffer;
  /** Absent: the one of agent.yaml. */
  readonly current?: Place;
  /** Tried since then (ms since 1970), with `current` to fall back to. */
  readonly trial?: Place & { readonly since: number };
  readonly failure?: RedirectFailure;
}

/** As agent.yaml names it, in the form in which redirects do. */
export function configuredAddress({
  url,
  caFingerprint,
}: ControlPlaneAddress): ControlPlaneAddress {
  return { url: new URL(url).origin, caFingerprint: normalFingerprint(caFingerprint) };
}

/**
 * The place that counts instead of agent.yaml: the one that a redirect led to, as long as agent.yaml says what it said
 * then, or names that place itself. Whoever writes something else into agent.yaml means it: then agent.yaml counts.
 */
export function placeInForce(
  configured: ControlPlaneAddress,
  placement: Placement | undefined,
): Place | undefined {
  const place = placement?.trial ?? placement?.current;
  if (placement === undefined || place === undefined) return undefined;
  const now = configuredAddress(configured);
  return isSame(now, placement.configured) || isSame(now, place) ? place : undefined;
}

/** Whether both are the same control plane under the same CA. */
function isSame(one: ControlPlaneAddress, other: ControlPlaneAddress): boolean {
  return one.url === other.url && one.caFingerprint === other.caFingerprint;
}

/** Reads it. One that is damaged counts for nothing: the host then goes by agent.yaml, where it began. */
export async function readPlacement(file: string): Promise<Placement | undefined> {
  const text = await readIfThere(file);
  try {
    return text === undefined ? undefined : parsePlacement(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Replaces it, on disk before it counts. */
export async function writePlacement(file: string, placement: Placement): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(placement)}\n`, { mode: 0o600 });
}

function parsePlacement(value: unknown): Placement {
  const placement = value as Placement;
  const { v, configured, newest, current, trial } = placement;
  if (v !== 1 || !Number.isSafeInteger(newest.issuedAt)) throw new Error('is of another form');
  for (const place of [current, trial]) {
    if (place === undefined) continue;
    addressOf(place);
    if (!/^place-[0-9]+$/.test(place.folder)) throw new Error('names no folder of ours');
  }
  if (trial !== undefined && !Number.isSafeInteger(trial.since)) throw new Error('has no time');
  addressOf(configured);
  return placement;
}

function addressOf({ url, caFingerprint }: ControlPlaneAddress): ControlPlaneAddress {
  return parseControlPlaneAddress({ url, caFingerprint }, 'placement');
}
