/** What went wrong, in words; an error may come from another realm, so its class is not asked. */
export function wordsOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error)
    return String(error.message);
  return String(error);
}
