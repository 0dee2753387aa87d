import { readFile } from 'node:fs/promises';
import { certificatesIn, fingerprint } from '#pki';
import { tokenOfEnvironment, type Context } from '../client/context.js';
import { readContexts, writeContexts } from '../client/context-file.js';
import { contextOf, withContext } from '../client/contexts.js';
import { identityOf } from '../client/identity.js';
import { carryKept } from '../client/kept-file.js';
import type { Material } from './control-plane.js';

/** The context of an `up`, as its own client uses it, and where the user finds it. */
export interface UpContext extends Context {
  /** Absent where no context of this control plane is known: its token was shown once and is nowhere else. */
  readonly name?: string;
  /** Whether `token` is one at all. */
  readonly knowsToken: boolean;
  /** The context that was current before, where that is another one. */
  readonly before?: string;
}

/** Throws where contexts cannot be read and written: a token that is made then is shown to nobody, and never again. */
export async function provideForToken(): Promise<void> {
  await writeContexts(await readContexts());
}

/** Writes the context of this data folder, made current, and keeps every other; where the token is not known, none. */
export async function upContext(
  material: Material,
  url: string,
  dataDir: string,
): Promise<UpContext> {
  const known = await readContexts();
  const ca = await readFile(material.caFile, 'utf8');
  const name = contextOf(known, dataDir);
  const stored = name === undefined ? undefined : known.contexts[name];
  const token = material.adminToken ?? stored?.token;
  // What the environment says may be meant for another control plane: it is used, and never kept.
  if (token === undefined) {
    const given = tokenOfEnvironment();
    return { url, token: given ?? 'unknown', ca, knowsToken: given !== undefined };
  }
  // With a token of its own it may be made anew: nothing that was seen of the one before holds for it.
  const last = material.adminToken === undefined ? stored : undefined;
  if (last !== undefined) await carryKept(identityOf(last), identityOf({ url, ca }));
  const session = sharesCa(last?.ca, ca) ? last?.session : undefined;
  const changed = withContext(known, { url, token, ca, dataDir, session });
  await writeContexts(changed);
  const before = known.current === changed.current ? undefined : known.current;
  return { url, token, ca, name: changed.current, knowsToken: true, before };
}

/** While a CA is being replaced both are trusted. */
function sharesCa(before: string | undefined, now: string): boolean {
  const known = new Set(before === undefined ? [] : certificatesIn(before).map(fingerprint));
  return certificatesIn(now).some((each) => known.has(fingerprint(each)));
}
