import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ProblemError } from '../http/index.js';
import { Turns } from '../turns.js';
import { judgeDocuments, type JudgedText, type WrittenText } from './judge-documents.js';

/** Nothing of this size takes longer than some 40 ms, less than a thread takes to start. */
const SHORT_CHARS = 4096;
/** CPU of the thread, so that a busy machine refuses nothing: the largest text that can be meant takes a third of it. */
const LIMIT_MS = 15_000;
const LOOK_MS = 200;
const MAX_HEAP_MB = 512;
const MAX_WAITING = 16;

/** One after another: where many are read at once each takes as much longer, and all of them that much memory. */
const turns = new Turns(MAX_WAITING);

/**
 * Reads a text of documents. YAML of 1 MiB takes a second where it is meant well and four where it is not, and patterns of
 * that size more, in which the control plane would answer nobody and lose its lease: a longer text has a thread of its
 * own. Throws 413 for one that takes too long or too much memory, and 503 where too many wait.
 */
export function readDocuments(written: WrittenText, limitMs = LIMIT_MS): Promise<JudgedText> {
  if (written.text.length <= SHORT_CHARS) return Promise.resolve(judgeDocuments(written));
  return turns.run(() => inThread(written, limitMs));
}

async function inThread(written: WrittenText, limitMs: number): Promise<JudgedText> {
  const worker = new Worker(threadFile(), {
    workerData: written,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const timer = setInterval(() => void endBeyond(limitMs, worker), LOOK_MS);
  try {
    return await new Promise<JudgedText>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', (cause) => reject(failure(cause, written, limitMs)));
      worker.once('exit', () => reject(tooMuch(written, limitMs)));
    });
  } finally {
    clearInterval(timer);
    await worker.terminate();
  }
}

async function endBeyond(limitMs: number, worker: Worker): Promise<void> {
  // It may have ended meanwhile.
  const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
  if ((user + system) / 1_000 > limitMs) await worker.terminate();
}

/** In one file of dist/, like the programs, whether this runs from there, from a package, or from the sources. */
function threadFile(): string {
  const root = dirname(findPackageJSON(import.meta.url) ?? '/');
  return join(root, 'dist/apps/control-plane/src/judging-thread.js');
}

function failure(cause: unknown, written: WrittenText, limitMs: number): Error {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return tooMuch(written, limitMs);
  return new Error('the thread that reads documents failed', { cause });
}

function tooMuch({ text }: WrittenText, limitMs: number): ProblemError {
  const message = `takes more than ${limitMs / 1_000} s of CPU or ${MAX_HEAP_MB} MiB of memory to read and judge`;
  const remedy = 'divide it into several requests';
  return new ProblemError('too-large', {
    detail: `body: ${message}; ${remedy}`,
    errors: [{ field: 'body', value: `${text.length} characters`, message, remedy }],
  });
}
