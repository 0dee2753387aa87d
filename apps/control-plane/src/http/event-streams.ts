import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { ProblemError } from './problem.error.js';

const MAX_STREAMS = 200;
/** Nobody keeps the others out: so many watch something at a time with one token, or as one user. */
const MAX_OF_ONE = 20;
/** A reader that has taken nothing for so long is gone, or does not want to read. */
const STALLED_MS = 30_000;

/** Server-sent events to one reader; `signal` aborts when the reader is gone or we end. */
export interface EventStream {
  readonly signal: AbortSignal;
  /** Writes no faster than the reader reads; one that stops reading is cut off. */
  readonly write: (text: string) => Promise<void>;
}

/** Streams of one kind of events, so many at a time. */
export class EventStreams {
  readonly #ending = new AbortController();
  /** Open ones of each reader that has any. */
  readonly #open = new Map<string, number>();
  #all = 0;

  /** `counted` is told how many are open. */
  constructor(
    private readonly counted: (open: number) => void,
    private readonly stalledMs = STALLED_MS,
  ) {}

  /** Ends all of them. */
  end(): void {
    this.#ending.abort();
  }

  /** Answers `reader`, as the audit log names it, with a stream until `follow` has ended. Throws 429 where too many are open. */
  async serve(
    reply: FastifyReply,
    reader: string,
    follow: (stream: EventStream) => Promise<void>,
  ): Promise<void> {
    this.#refuseMore(reader);
    const { raw } = reply;
    const gone = new AbortController();
    raw.once('close', () => gone.abort());
    // Who went away while the request waited is heard of no more.
    if (reply.request.raw.socket.destroyed) gone.abort();
    const signal = AbortSignal.any([gone.signal, this.#ending.signal]);
    reply.hijack();
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#count(reader, 1);
    try {
      await follow({ signal, write: (text) => this.#write(raw, text, signal) });
    } finally {
      this.#count(reader, -1);
      this.#close(raw);
    }
  }

  #refuseMore(reader: string): void {
    const own = this.#open.get(reader) ?? 0;
    if (this.#all < MAX_STREAMS && own < MAX_OF_ONE) return;
    const whose = own < MAX_OF_ONE ? '' : ` of ${reader}`;
    throw new ProblemError('too-many-requests', { detail: `too many open streams${whose}` });
  }

  #count(reader: string, change: 1 | -1): void {
    const own = (this.#open.get(reader) ?? 0) + change;
    if (own === 0) this.#open.delete(reader);
    else this.#open.set(reader, own);
    this.#all += change;
    this.counted(this.#all);
  }

  async #write(out: FastifyReply['raw'], text: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted || out.write(text)) return;
    const stalled = setTimeout(() => out.destroy(), this.stalledMs);
    try {
      await once(out, 'drain', { signal });
    } catch {
      // The reader went away, was cut off, or we shut down; whoever writes sees it by the signal.
    } finally {
      clearTimeout(stalled);
    }
  }

  /** What was written may be read to its end, by a reader that reads. */
  #close(out: FastifyReply['raw']): void {
    const late = setTimeout(() => out.destroy(), this.stalledMs);
    out.once('close', () => clearTimeout(late));
    out.end();
  }
}
