import { stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { fuzz, readCorpus, type FuzzOptions } from '#testing';

const FULL = process.env['HOSTWARD_FULL'] === '1';
/** Time that the readers of one file share. */
const SHARED_MS = FULL ? 30 * 60_000 : 60_000;

/** Of each run but those with --full, so that a commit has one answer. */
const FIXED_SEED = 1;
/** Set to try the inputs of an earlier run again. */
export const SEED = Number(
  process.env['HOSTWARD_FUZZ_SEED'] ?? (FULL ? Date.now() % 1_000_000 : FIXED_SEED),
);

export function corpusFolder(name: string): string {
  return fileURLToPath(new URL(`../corpus/${name}`, import.meta.url));
}

/** The part of the time that a reader gets, in ms. */
export function timeFor(share: number): number {
  return SHARED_MS * share;
}

/** Deadline of a test whose reader gets this part of the time. */
export function deadlineFor(share: number): number {
  return timeFor(share) + 120_000;
}

/** Fuzzes with the kept corpus of this name and says with which seed and how much was tried. */
export async function fuzzCorpus(
  name: string,
  share: number,
  options: Omit<FuzzOptions, 'corpus' | 'seed' | 'forMs'>,
): Promise<void> {
  const corpus = readCorpus(corpusFolder(name));
  const forMs = timeFor(share);
  const inputs = await fuzz({ ...options, corpus, seed: SEED, forMs });
  say(name, inputs);
  expect(inputs).toBeGreaterThan(0);
}

/** One line for people: Jest's own console would add where it was called. */
export function say(name: string, inputs: number): void {
  stdout.write(`fuzz ${name}: HOSTWARD_FUZZ_SEED=${SEED}, ${inputs} inputs, nothing found\n`);
}
