import {
  type RootDocument,
  type SignedDocument,
  followRoots,
  inspectRoot,
  payloadTypes,
  rootPayload,
  trustRoot,
} from '#bundle';
import { CommandFailed, messageOf } from '../output/errors.js';
import { readDraftFile, writeDraftFile } from './draft-file.js';

type Signatures = SignedDocument['signatures'];

/**
 * A root document on its way: what is in force (absent for a first one), what is to follow, and who has signed that so
 * far. A file, so that it can be carried to machines without a network; nothing in it is secret.
 */
export interface RootDraft {
  readonly v: 1;
  readonly base?: SignedDocument;
  readonly document: RootDocument;
  readonly signatures: Signatures;
}

export async function readDraft(file: string): Promise<RootDraft> {
  try {
    const value = (await readDraftFile(file)) as RootDraft | SignedDocument;
    if ('payload' in value) return draftAfter(value);
    rootPayload(value.document);
    if (value.base) inspectRoot(value.base);
    return value;
  } catch (cause) {
    const words = messageOf(cause);
    throw new CommandFailed(
      `${file} is no root document: ${words}`,
      'get the one in force by hostward root show --save FILE',
      {
        cause,
      },
    );
  }
}

export function writeDraft(file: string, draft: RootDraft): Promise<void> {
  return writeDraftFile(file, draft);
}

/** The next version of a root document, so far like it. */
export function draftAfter(base: SignedDocument): RootDraft {
  const { document } = inspectRoot(base);
  return { v: 1, base, document: { ...document, version: document.version + 1 }, signatures: [] };
}

/** The draft changed; what was signed before was another document. Throws RefusedError on one that no host would take. */
export function changed(draft: RootDraft, more: Partial<RootDocument>): RootDraft {
  const document = { ...draft.document, ...more };
  rootPayload(document);
  return { ...draft, document, signatures: [] };
}

/** As it is sent. */
export function signedOf({ document, signatures }: RootDraft): SignedDocument {
  const payload = rootPayload(document).toString('base64');
  return { payloadType: payloadTypes.root, payload, signatures };
}

/** Why hosts would not follow it yet; undefined when it is complete. */
export function lacking(draft: RootDraft): string | undefined {
  if (draft.signatures.length === 0) return 'nobody has signed it';
  try {
    const signed = signedOf(draft);
    if (draft.base) followRoots(trustRoot(draft.base), [signed]);
    else trustRoot(signed);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
