import { accessSync, constants, statSync, type Stats } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { makePrivateFolder } from '#files';
import { CommandFailed, messageOf, UsageError } from './errors.js';
import { descriptorOf, isGiven, STANDARD_OUTPUT, targetOf } from './output-target.js';
import { print } from './standard-output.js';

/** For what is no secret: as the umask has it. */
export const PUBLIC = 0o666;

/** Adds text to what is written. */
export type Put = (text: string) => Promise<void>;

/** Puts all that is to be written. */
type Fill = (put: Put) => Promise<void>;

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
 * anything: what it makes would be lost. Throws CommandFailed, and UsageError for an empty name and for `-`.
 */
export function outputFile(
  named: string,
  { isNew = false }: Pick<OutputOptions, 'isNew'> = {},
): (text: string) => string {
  return (text) => {
    if (text === '') throw new UsageError(`${named} is empty: write a path, or leave it out`);
    if (text === '-') {
      const other = isNew ? '' : '/dev/stdout for standard output, or ';
      throw new UsageError(`${named} "-" names no file: write ${other}./- for a file of that name`);
    }
    const amiss = amissWith(text, isNew);
    if (amiss === undefined) return text;
    throw new CommandFailed(`${named} "${text}" cannot be written: ${amiss.what}`, amiss.remedy);
  };
}

/** What a person is told of a file that was written, not in the midst of it where that is standard output. */
export function tellOf(file: string, sentence: string): void {
  if (targetOf(file) === STANDARD_OUTPUT) console.error(sentence);
  else console.log(sentence);
}

interface Amiss {
  readonly what: string;
  readonly remedy: string;
}

function amissWith(path: string, isNew: boolean): Amiss | undefined {
  if (path.endsWith('/') || look(path)?.isDirectory())
    return { what: 'it is a folder', remedy: `name a file in it: ${resolve(path)}/FILE` };
  const target = targetOf(path);
  const descriptor = target === STANDARD_OUTPUT ? target : descriptorOf(target);
  if (isNew && descriptor !== undefined)
    return { what: 'it is no file', remedy: 'name one that is not there yet' };
  if (target === STANDARD_OUTPUT) return undefined;
  if (descriptor === undefined) return amissWithFile(target);
  if (isGiven(descriptor)) return undefined;
  const what = `descriptor ${descriptor} is no pipe that this command was given to write to`;
  return { what, remedy: 'name the file itself, or /dev/stdout' };
}

function amissWithFile(file: string): Amiss | undefined {
  const folder = dirname(file);
  const remedy = 'name a file in a folder that you may write to';
  try {
    accessSync(isPipe(file) ? file : folder, constants.W_OK);
  } catch (error) {
    const what = messageOf(error);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return {
        what: look(file)?.isFile()
          ? `it is replaced as a whole, and its folder takes no new file: ${what}`
          : what,
        remedy,
      };
    return {
      what: `the folder ${folder} is not there`,
      remedy: `make it by \`mkdir -p ${folder}\`, or name another file`,
    };
  }
  if (look(folder)?.isDirectory()) return undefined;
  return { what: `${folder} is no folder`, remedy };
}

/**
 * Writes a file whole or not at all: nobody reads a part, and the one that is to be replaced stays where this fails. A
 * pipe, a device, and standard output are written to as they are. Throws CommandFailed, also one that `content` throws, as
 * it is.
 */
export async function writeOutput(
  file: string,
  content: string | Fill,
  { mode = 0o600, isNew = false, makesFolder = false, remedy }: OutputOptions = {},
): Promise<void> {
  const fill: Fill = (put) => (typeof content === 'string' ? put(content) : content(put));
  try {
    if (makesFolder) makePrivateFolder(dirname(file));
    const target = targetOf(file);
    if (isNew) await create(file, mode, fill);
    else if (target === STANDARD_OUTPUT) await fill(print);
    else if (isPipe(target)) await through(await open(target, 'w'), fill);
    else await replace(target, mode, fill);
  } catch (cause) {
    if (cause instanceof CommandFailed) throw cause;
    const what = `cannot write ${file}: ${messageOf(cause)}`;
    throw new CommandFailed(what, remedy ?? remedyOf(cause, file), { cause });
  }
}

async function replace(file: string, mode: number, fill: Fill): Promise<void> {
  const written = `${file}.${process.pid}.new`;
  await rm(written, { force: true });
  await create(written, mode, fill);
  try {
    await rename(written, file);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}

async function create(file: string, mode: number, fill: Fill): Promise<void> {
  const out = await open(file, 'wx', mode);
  try {
    await through(out, async (put) => {
      await fill(put);
      await out.sync();
    });
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

async function through(out: FileHandle, fill: Fill): Promise<void> {
  try {
    await fill((text) => out.appendFile(text));
  } finally {
    await out.close();
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

/** Or a device: what no file may take the place of. */
function isPipe(path: string): boolean {
  const found = look(path);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}
