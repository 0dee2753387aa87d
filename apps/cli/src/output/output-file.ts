import { accessSync, constants, lstatSync, realpathSync, statSync, type Stats } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { makePrivateFolder } from '#files';
import { CommandFailed, messageOf, UsageError } from '../errors.js';

/** For what is no secret: as the umask has it. */
export const PUBLIC = 0o666;

export interface OutputOptions {
  /** Its owner alone reads it unless this says otherwise. */
  readonly mode?: number;
  /** One that is there is refused. */
  readonly isNew?: boolean;
  /** Its folder is made where it is missing, for its owner alone. */
  readonly makesFolder?: boolean;
  /** In the place of what is to be done by the kind of failure. */
  readonly remedy?: string;
}

/**
 * Reads an option or argument that names a file to write. Where it cannot be written that is said before the command does
 * anything: what it makes would be lost. Throws CommandFailed, and UsageError for an empty name.
 */
export function outputFile(named: string): (text: string) => string {
  return (text) => {
    if (text === '') throw new UsageError(`${named} is empty: write a path, or leave it out`);
    const amiss = amissWith(text);
    if (amiss === undefined) return text;
    throw new CommandFailed(`${named} "${text}" cannot be written: ${amiss.what}`, amiss.remedy);
  };
}

function amissWith(path: string): { readonly what: string; readonly remedy: string } | undefined {
  if (path.endsWith('/') || look(path)?.isDirectory())
    return { what: 'it is a folder', remedy: `name a file in it: ${resolve(path)}/FILE` };
  const folder = dirname(resolve(path));
  const remedy = 'name a file in a folder that you may write to';
  try {
    accessSync(isPipe(path) ? path : folder, constants.W_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return { what: messageOf(error), remedy };
    return {
      what: `the folder ${folder} is not there`,
      remedy: `make it by \`mkdir -p ${dirname(path)}\`, or name another file`,
    };
  }
  if (look(folder)?.isDirectory()) return undefined;
  return { what: `${folder} is no folder`, remedy };
}

/**
 * Writes a file whole or not at all: nobody reads a part, and the one that is to be replaced stays where this fails. A
 * pipe or device is written to as it is. Throws CommandFailed, also one that `content` throws, as it is.
 */
export async function writeOutput(
  file: string,
  content: string | ((out: FileHandle) => Promise<void>),
  { mode = 0o600, isNew = false, makesFolder = false, remedy }: OutputOptions = {},
): Promise<void> {
  const pipe = isPipe(file);
  // What a link leads to is replaced, and not the link; one that leads nowhere is.
  const target = isLink(file) ? realpathSync(file) : file;
  const direct = pipe || isNew;
  const written = direct ? file : `${target}.${process.pid}.new`;
  let out: FileHandle | undefined;
  let isDone = pipe;
  try {
    if (makesFolder) makePrivateFolder(dirname(file));
    if (!direct) await rm(written, { force: true });
    out = await open(written, pipe ? 'w' : 'wx', mode);
    if (typeof content === 'string') await out.writeFile(content);
    else await content(out);
    if (pipe) return;
    await out.sync();
    if (!direct) await rename(written, target);
    isDone = true;
  } catch (cause) {
    if (cause instanceof CommandFailed) throw cause;
    const what = `cannot write ${file}: ${messageOf(cause)}`;
    throw new CommandFailed(what, remedy ?? remedyOf(cause, file), { cause });
  } finally {
    await out?.close();
    if (out !== undefined && !isDone) await rm(written, { force: true });
  }
}

function remedyOf(cause: unknown, file: string): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EEXIST') return 'choose another name: what is there is never overwritten';
  if (code === 'ENOSPC') return `make room in ${dirname(resolve(file))}, or name a file elsewhere`;
  return 'name a file in a folder that is there, and that you may write to';
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function isLink(path: string): boolean {
  return look(path) !== undefined && lstatSync(path).isSymbolicLink();
}

/** Or a device: what no file may take the place of. */
function isPipe(path: string): boolean {
  const found = look(path);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}
