import { env } from 'node:process';
import { carryKept } from './kept-file.js';
import { readContexts, writeContexts } from './context-file.js';
import { identityOf } from './identity.js';

/**
 * Writes what is trusted now into the context that commands go to, named or current, and answers its name; undefined
 * where it is not its CA that counts, or where it says the same already.
 */
export async function keepCa(pem: string, named: string | undefined): Promise<string | undefined> {
  if (env['HOSTWARD_CA'] || env['HOSTWARD_URL']) return undefined;
  const known = await readContexts();
  const name = named ?? (env['HOSTWARD_CONTEXT'] || known.current);
  const stored = name === undefined ? undefined : known.contexts[name];
  // A context without a CA believes those of its system.
  if (name === undefined || stored?.ca === undefined || stored.ca === pem) return undefined;
  // What is kept goes first: a context that trusts this and finds nothing kept would believe what it sees first.
  await carryKept(identityOf(stored), identityOf({ ...stored, ca: pem }));
  await writeContexts({
    ...known,
    contexts: { ...known.contexts, [name]: { ...stored, ca: pem } },
  });
  return name;
}
