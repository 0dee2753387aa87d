import { readFileSync } from 'node:fs';
import { stderr, stdin } from 'node:process';
import { CommandFailed, messageOf, UsageError } from '../output/errors.js';
import { readAll } from './files.js';

/** Where a secret comes from: a descriptor that was named, a person at a terminal, or standard input. Never argv. */
export async function readSecret(prompt: string, fd?: number): Promise<string> {
  const text = fd !== undefined ? readDescriptor(fd) : await typedOrPiped(prompt);
  const secret = text.replace(/\r?\n$/, '');
  if (secret !== '' && !/[\r\n]/.test(secret)) return secret;
  throw new CommandFailed('no secret was given, or more than one line', 'give it as one line');
}

/** Reads an option that is the number of a file descriptor; throws UsageError. */
export function descriptorOf(option: string): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new UsageError(`${option} "${text}" is not a file descriptor: write its number, e.g. 3`);
  };
}

function readDescriptor(fd: number): string {
  try {
    return readFileSync(fd, 'utf8');
  } catch (error) {
    const why = messageOf(error);
    throw new CommandFailed(
      `cannot read descriptor ${fd}: ${why}`,
      'let the shell open it, e.g. 3< file',
    );
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
