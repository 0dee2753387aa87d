import {
  type RedirectDocument,
  type SignedDocument,
  inspectRoot,
  payloadTypes,
  redirectPayload,
  trustRoot,
  verifyRedirect,
} from '#bundle';
import { CommandFailed, messageOf } from '../output/errors.js';
import { readDraftFile, writeDraftFile } from './draft-file.js';
import { type Hand, signBytes } from './signing.js';

/**
 * A redirect on its way from one holder of a root key to the next: the root document that it is bound to, what it
 * says, and who has signed so far. Nothing in it is secret.
 */
export interface RedirectDraft {
  readonly v: 1;
  readonly root: SignedDocument;
  readonly document: RedirectDocument;
  readonly signatures: SignedDocument['signatures'];
}

/** Reads a draft. Throws CommandFailed. */
export async function readRedirectDraft(file: string): Promise<RedirectDraft> {
  try {
    const draft = (await readDraftFile(file)) as RedirectDraft;
    redirectPayload(draft.document);
    inspectRoot(draft.root);
    return draft;
  } catch (cause) {
    const words = messageOf(cause);
    throw new CommandFailed(
      `${file} is no redirect: ${words}`,
      'hostward redirect … --draft FILE',
      {
        cause,
      },
    );
  }
}

export function writeRedirectDraft(file: string, draft: RedirectDraft): Promise<void> {
  return writeDraftFile(file, draft);
}

/** With the signatures of everybody. */
export async function signedDraft(
  draft: RedirectDraft,
  hands: readonly Hand[],
): Promise<RedirectDraft> {
  const payload = redirectPayload(draft.document);
  const { signatures } = await signBytes(payloadTypes.redirect, payload, hands, draft.signatures);
  return { ...draft, signatures };
}

/** As it is sent. */
export function signedRedirectOf({ document, signatures }: RedirectDraft): SignedDocument {
  const payload = redirectPayload(document).toString('base64');
  return { payloadType: payloadTypes.redirect, payload, signatures };
}

/** Why hosts would not follow it yet; undefined when it is complete. */
export function lackingOf(draft: RedirectDraft): string | undefined {
  if (draft.signatures.length === 0) return 'nobody has signed it';
  try {
    verifyRedirect(signedRedirectOf(draft), trustRoot(draft.root));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
