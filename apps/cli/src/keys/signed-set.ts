import type { SignedDocument } from '#bundle';

/** The signed documents of a file that `hostward sign` wrote; undefined for any other text. */
export function parseSignedSet(text: string): readonly SignedDocument[] | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value = JSON.parse(text) as { v?: unknown; signed?: unknown };
    if (value.v !== 1 || !Array.isArray(value.signed)) return undefined;
    return value.signed.every(isSigned) ? (value.signed as readonly SignedDocument[]) : undefined;
  } catch {
    return undefined;
  }
}

function isSigned(value: unknown): boolean {
  const document = value as Partial<SignedDocument> | null;
  return (
    typeof document === 'object' &&
    typeof document?.payload === 'string' &&
    typeof document.payloadType === 'string' &&
    Array.isArray(document.signatures)
  );
}
