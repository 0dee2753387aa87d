import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '#contracts';
import { type Dictionary, mutateBytes } from './fuzz-mutate.js';
import { mutateJson } from './fuzz-mutate-json.js';

/** What is fuzzed, with what, and for how long. */
export interface FuzzOptions {
  /** Kept inputs, by name of file: each is tried as it is, and then changed again and again. */
  readonly corpus: ReadonlyMap<string, Buffer>;
  readonly seed: number;
  readonly forMs: number;
  /** `json` changes values within a document, which is then written anew, as often as bytes. */
  readonly language?: 'bytes' | 'json';
  readonly dictionary?: Dictionary;
  /** Reads one input. It throws, or rejects, only where something is wrong with the reader. */
  readonly target: (input: Buffer) => unknown;
}

/** An input that a reader must not be beaten by, and was. */
export class FuzzFinding extends Error {
  override readonly name = 'FuzzFinding';

  constructor(which: string, input: Buffer, cause: unknown) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(
      `${which}: ${why}\ninput (base64, to be kept as a corpus file): ${input.toString('base64')}`,
      {
        cause,
      },
    );
  }
}

/** What one input may take on a machine with other work, in ms; a reader that takes longer can be held up by it. */
const TOO_SLOW_MS = 10_000;

/** All files of a folder, in the order of their names. */
export function readCorpus(folder: string): ReadonlyMap<string, Buffer> {
  const names = readdirSync(folder).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/**
 * Tries the corpus, then changed inputs until the time is over; gives their number. Input n of a seed is the same in
 * every run with the same corpus. Throws a FuzzFinding at the first that beats the target.
 */
export async function fuzz(options: FuzzOptions): Promise<number> {
  for (const [name, input] of options.corpus) await tryOne(options, `corpus file ${name}`, input);
  const corpus = [...options.corpus.values()];
  const end = Date.now() + options.forMs;
  let number = 0;
  for (; Date.now() < end; number++)
    await tryOne(options, `input ${number} of seed ${options.seed}`, made(options, corpus, number));
  return number;
}

function made(options: FuzzOptions, corpus: readonly Buffer[], number: number): Buffer {
  const random = new SeededRandom(Math.imul(options.seed, 0x85ebca6b) ^ number);
  const start = random.pick(corpus);
  if (options.language === 'json' && random.oneIn(2)) {
    const value = parsed(start);
    if (value !== undefined) return Buffer.from(JSON.stringify(mutateJson(value, random)) ?? '');
  }
  return mutateBytes(start, random, corpus, options.dictionary);
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

async function tryOne(options: FuzzOptions, which: string, input: Buffer): Promise<void> {
  const started = Date.now();
  try {
    await options.target(input);
  } catch (cause) {
    throw new FuzzFinding(which, input, cause);
  }
  const took = Date.now() - started;
  if (took > TOO_SLOW_MS) throw new FuzzFinding(which, input, `took ${took} ms`);
}
