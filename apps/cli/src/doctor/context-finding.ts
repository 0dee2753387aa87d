import { stat } from 'node:fs/promises';
import { failed, fine, type Finding } from '#contracts';
import { contextFile } from '../client/context-file.js';
import { loadContext, type Context } from '../client/context.js';
import { CommandFailed } from '../output/errors.js';

const CHECK = 'context';
/** Of a file's mode: what group and others may. */
const OTHERS = 0o077;

/** Whether a control plane is known here, and its token is kept from others; the context where there is one. */
export async function contextFinding(
  named: string | undefined,
): Promise<{ readonly finding: Finding; readonly context?: Context }> {
  try {
    const context = await loadContext(named);
    return { finding: await fileFinding(context.url), context };
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return { finding: failed(CHECK, error.message, error.remedy ?? 'hostward context list') };
  }
}

async function fileFinding(url: string): Promise<Finding> {
  const file = contextFile();
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined && (found.mode & OTHERS) !== 0)
    return failed(CHECK, `${file} holds tokens and is open to others`, `chmod 600 ${file}`);
  return fine(CHECK, url);
}
