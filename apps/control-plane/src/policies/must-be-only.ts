import { invalidField } from '../http/index.js';

/** 400 for a body that is not the one document its URL names. */
export function mustBeOnly(
  documents: readonly { readonly kind: string; readonly name: string }[],
  only: { readonly kind: string; readonly name: string },
): void {
  const [first, more] = documents;
  if (!more && first?.kind === only.kind && first.name === only.name) return;
  const found = documents.slice(0, 5).map(({ kind, name }) => `${kind}/${name}`);
  throw invalidField(
    'body',
    found.join(', '),
    `must be exactly one ${only.kind} named ${JSON.stringify(only.name)}`,
    'name it as the URL does, or use POST /v1/apply',
  );
}
