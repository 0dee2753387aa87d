import { readFileSync } from 'node:fs';
import { stderr, stdin } from 'node:process';
import { CommandFailed, messageOf, UsageError } from '../errors.js';
import { readAll } from './files.js';

/** Where a secret comes from: a descriptor that was named, a person at a terminal, or standard input. Never argv. */
export async function readSecret(prompt: string, fd?: number): Promise<string> {
  const text = fd !== undefined ? readDescriptor(fd) : await typedOrPiped(prompt);
  const secret = text.replace(/\r?\n$/, '');
  if (secret !== '' && !/[\r\n]/.test(secret)) return secret;
  throw new CommandFailed('no secret was given, or more than one line', 'give it as one line');
}

/** The number of a file descriptor, as commander reads options. */
export function descriptor(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`"${text}" is not a file descriptor`);
}

function readDescriptor(fd: number): string {
  try {
    return readFileSync(fd, 'utf8');
  } catch (error) {
    const why = messageOf(error);
    throw new CommandFailed(`cannot read descriptor ${fd}: ${why}`, 'e.g. --secret-fd 3 3< file');
  }
}

async function typedOrPiped(prompt: string): Promise<string> {
  if (!stdin.isTTY) return readAll();
  stdin.setRawMode(true);
  stderr.write(prompt);
  try {
    return await typed();
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

const END = new Set(['\r', '\n', '\u0004']);

/** Characters up to Return, without an echo; standard input stays open for the next question. */
async function typed(): Promise<string> {
  let text = '';
  const chunks: AsyncIterable<Buffer> = stdin.iterator({ destroyOnReturn: false });
  for await (const chunk of chunks) {
    for (const character of chunk.toString('utf8')) {
      if (character === '\u0003') throw new CommandFailed('interrupted');
      if (END.has(character)) return text;
      text = character === '\u007f' ? text.slice(0, -1) : text + character;
    }
  }
  return text;
}
