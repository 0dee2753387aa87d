import { basename } from 'node:path';
import type { Contexts, StoredContext } from './context-file.js';

/** The context that an `up` on this data folder has written before. */
export function contextOf(contexts: Contexts, dataDir: string): string | undefined {
  return Object.entries(contexts.contexts).find(([, each]) => each.dataDir === dataDir)?.[0];
}

/**
 * The contexts with this one made current. It replaces the one of the same data folder, whose control plane is gone
 * when a new one was made there; any other keeps its place, so that a token that is shown only once is never lost.
 */
export function withContext(
  contexts: Contexts,
  context: StoredContext & { readonly dataDir: string },
): Contexts & { readonly current: string } {
  const name = contextOf(contexts, context.dataDir) ?? freeName(contexts, context.dataDir);
  return { current: name, contexts: { ...contexts.contexts, [name]: context } };
}

/** Name of the folder without a leading dot, with a number where another control plane has that name. */
function freeName({ contexts }: Contexts, dataDir: string): string {
  const name = basename(dataDir).replace(/[^A-Za-z0-9_-]+/g, '') || 'local';
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? name : `${name}-${n}`;
    if (contexts[candidate] === undefined) return candidate;
  }
}
