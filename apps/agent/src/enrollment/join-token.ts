import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

const MAX_TOKEN_CHARS = 4096;

/** The join token from a file, or from standard input for `stdin` or `-`; one line, without white space around it. */
export async function readJoinToken(source: string): Promise<string> {
  const raw =
    source === 'stdin' || source === '-'
      ? await text(process.stdin)
      : await readFile(source, 'utf8');
  const token = raw.trim();
  if (token === '' || token.length > MAX_TOKEN_CHARS || /\s/.test(token)) {
    throw new Error(
      `${source} does not hold one join token alone; make one with \`hostward create join-token -o name\``,
    );
  }
  return token;
}
