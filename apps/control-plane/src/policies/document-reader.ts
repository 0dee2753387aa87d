import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { IN_PARTS } from '#policy-model';
import { notNow, ProblemError } from '../http/index.js';
import { Mutex } from '../http/mutex.js';
import { judgeDocuments, type JudgedText, type WrittenText } from './judge-documents.js';

/** Nothing of this size takes longer than some 110 ms, about what a thread takes to start. */
const SHORT_CHARS = 4096;
const LOOK_MS = 200;
const MAX_HEAP_MB = 512;
const MAX_WAITING = 16;
/** Of the same caller, so that one with large texts does not keep the others waiting: of more than that two. */
const MAX_OF_ONE = { chars: 256 * 1024, texts: 2 };

interface ReaderOptions {
  /** CPU of the thread, so that a busy machine refuses nothing. */
  readonly cpuMs?: number;
  /** What waited longer is not begun. */
  readonly lateMs?: number;
  /** Less than the 30 s that the CLI waits: what it takes for not applied must not be written afterwards. */
  readonly answerMs?: number;
  readonly program?: string;
}

/**
 * Reads texts of documents. YAML of 1 MiB takes a second where it is meant well and four where it is not, and patterns of
 * that size more, in which the control plane would answer nobody and lose its lease: a longer text has a thread of its
 * own.
 */
export class DocumentReader {
  /** One after another: where many are read at once each takes as much longer, and all of them that much memory. */
  readonly #mutex = new Mutex(MAX_WAITING, 'long texts');
  /** Of each caller the lengths of what is read or waits. */
  readonly #ofCaller = new Map<string, readonly number[]>();
  readonly #program: string;
  readonly #cpuMs: number;
  readonly #lateMs: number;
  readonly #answerMs: number;

  /** Throws where the program of the thread is missing. */
  constructor(options: ReaderOptions = {}) {
    this.#cpuMs = options.cpuMs ?? 8_000;
    this.#lateMs = options.lateMs ?? 10_000;
    this.#answerMs = options.answerMs ?? 25_000;
    // Once, since the file may become that of a later version while this one runs.
    this.#program = readProgram(options.program ?? builtProgram());
  }

  /** Throws 413 for a text that takes too long or too much memory, 503 where too many wait, 429 for one too many of `by`. */
  async read(written: WrittenText, by: string): Promise<JudgedText> {
    if (written.text.length <= SHORT_CHARS) return judgeDocuments(written);
    const askedMs = performance.now();
    const { length } = written.text;
    const mine = [...(this.#ofCaller.get(by) ?? []), length];
    const chars = mine.reduce((sum, each) => sum + each, 0);
    if (mine.length > MAX_OF_ONE.texts && chars > MAX_OF_ONE.chars) throw tooManyOfOne(by);
    this.#ofCaller.set(by, mine);
    try {
      return await this.#mutex.run(() => this.#inTurn(written, askedMs));
    } finally {
      this.#leave(by, length);
    }
  }

  #leave(by: string, length: number): void {
    const mine = this.#ofCaller.get(by) ?? [];
    if (mine.length > 1) this.#ofCaller.set(by, mine.toSpliced(mine.indexOf(length), 1));
    else this.#ofCaller.delete(by);
  }

  async #inTurn(written: WrittenText, askedMs: number): Promise<JudgedText> {
    const waitedMs = performance.now() - askedMs;
    if (waitedMs > this.#lateMs) throw late(written);
    const worker = new Worker(this.#program, {
      eval: true,
      workerData: written,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<JudgedText>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', (cause) => reject(this.#failure(cause, written)));
        worker.once('exit', () => reject(this.#failure(undefined, written)));
        const endMs = askedMs + this.#answerMs;
        const why = waitedMs > this.#answerMs / 2 ? late : slowly;
        const look = () => this.#refusal(worker, written, endMs, why);
        timer = setInterval(
          () => void look().then((refused) => refused && reject(refused)),
          LOOK_MS,
        );
      });
    } finally {
      clearInterval(timer);
      await worker.terminate();
    }
  }

  /** Why a text is not read to its end. */
  async #refusal(
    worker: Worker,
    written: WrittenText,
    endMs: number,
    why: (written: WrittenText) => ProblemError,
  ): Promise<ProblemError | undefined> {
    // It may have ended meanwhile.
    const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
    if ((user + system) / 1_000 > this.#cpuMs) return this.#tooMuch(written);
    return performance.now() > endMs ? why(written) : undefined;
  }

  #failure(cause: unknown, written: WrittenText): Error {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') return this.#tooMuch(written);
    return new Error('the thread that reads documents failed', { cause });
  }

  #tooMuch(written: WrittenText): ProblemError {
    const limits = `${this.#cpuMs / 1_000} s of CPU or ${MAX_HEAP_MB} MiB of memory`;
    const message = `takes more than ${limits} to read and judge`;
    return new ProblemError('too-large', {
      detail: `body: ${message}; ${IN_PARTS}`,
      errors: [{ field: 'body', value: sizeOf(written), message, remedy: IN_PARTS }],
    });
  }
}

/** In one file of dist/, like the programs, whether this runs from there, from a package, or from the sources. */
function builtProgram(): string {
  const root = dirname(findPackageJSON(import.meta.url) ?? '/');
  return join(root, 'dist/apps/control-plane/src/judging-thread.cjs');
}

function readProgram(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const remedy = 'install this version again; from the sources `./hostward version` builds it';
    throw new Error(`cannot read ${file}, which judges documents: ${remedy}`, { cause });
  }
}

function late(written: WrittenText): ProblemError {
  return notNow('busy', 'body', sizeOf(written), 'had to wait while other long texts were read');
}

/** It waited for nobody, or not for long. */
function slowly(written: WrittenText): ProblemError {
  const message = 'was not read in time on this machine, which is busy';
  const remedy = `nothing was written; repeat it when there is less to do, or ${IN_PARTS}`;
  return new ProblemError('busy', {
    detail: `body: ${message}; ${remedy}`,
    errors: [{ field: 'body', value: sizeOf(written), message, remedy }],
  });
}

function tooManyOfOne(by: string): ProblemError {
  const message = `has ${MAX_OF_ONE.texts} long texts or more being read already`;
  return notNow('too-many-requests', 'caller', by, message);
}

function sizeOf({ text }: WrittenText): string {
  return `${text.length} characters`;
}
