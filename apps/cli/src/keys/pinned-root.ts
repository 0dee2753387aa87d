import {
  followRoots,
  RefusedError,
  trustRoot,
  type SignedDocument,
  type TrustedRoot,
} from '#bundle';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { keptFile, readKept, writeKept } from '../client/kept-file.js';
import { readDraft } from './root-draft.js';
import type { TrustAnswer } from './trust-client.js';

/** Whom this operator believes, and whether it is what the control plane said just now and nothing else did. */
export interface PinnedRoot {
  readonly root: TrustedRoot;
  readonly firstSight: boolean;
}

/**
 * The newest root document that follows, signature by signature, from the one that this operator gives (a file) or has
 * kept; at first sight from the control plane's. Kept for the next time.
 */
export async function pinnedRoot(
  controlPlane: ControlPlane,
  given: string | undefined,
): Promise<PinnedRoot> {
  const file = keptFile('roots', controlPlane.identity);
  const { roots } = await controlPlane.call<TrustAnswer>('/v1/roots');
  const start = given === undefined ? await readKept(file) : await signedIn(given);
  const newest = roots.at(-1);
  if (newest === undefined) throw new CommandFailed('the control plane has no root document');
  try {
    const root = followRoots(trustRoot(start ?? newest), roots);
    await writeKept(file, root.signed);
    return { root, firstSight: start === undefined };
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new CommandFailed(
      `the control plane's root documents do not follow from the one that is believed here: ${cause.message}`,
      `believed is what ${given ?? file} holds; give the right one by --root FILE`,
      { cause },
    );
  }
}

/** The same where this operator has pinned one, now or before; undefined where it never did. */
export async function rootIfPinned(
  controlPlane: ControlPlane,
  given: string | undefined,
): Promise<TrustedRoot | undefined> {
  const pinned = given ?? (await readKept(keptFile('roots', controlPlane.identity)));
  return pinned === undefined ? undefined : (await pinnedRoot(controlPlane, given)).root;
}

/** The signed document of a file of `hostward root show --save`, or of one that is it alone. */
async function signedIn(file: string): Promise<SignedDocument> {
  const { base } = await readDraft(file);
  if (base) return base;
  throw new CommandFailed(
    `${file} holds no signed root document`,
    '`hostward root show --save FILE`',
  );
}
