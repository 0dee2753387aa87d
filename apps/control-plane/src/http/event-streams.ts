import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { ProblemError } from './problem.error.js';

const MAX_STREAMS = 200;

/** Server-sent events to one reader; `signal` aborts when the reader is gone or we end. */
export interface EventStream {
  readonly signal: AbortSignal;
  /** Writes no faster than the reader reads. */
  readonly write: (text: string) => Promise<void>;
}

/** Streams of one kind of events, so many at a time. */
export class EventStreams {
  readonly #ending = new AbortController();
  #open = 0;

  /** `counted` is told how many are open. */
  constructor(private readonly counted: (open: number) => void) {}

  /** Ends all of them. */
  end(): void {
    this.#ending.abort();
  }

  /** Answers with a stream until `follow` has ended. Throws 429 where too many are open. */
  async serve(reply: FastifyReply, follow: (stream: EventStream) => Promise<void>): Promise<void> {
    if (this.#open >= MAX_STREAMS)
      throw new ProblemError('too-many-requests', { detail: 'too many open streams' });
    const { raw } = reply;
    const gone = new AbortController();
    raw.once('close', () => gone.abort());
    // Who went away while the request waited is heard of no more.
    if (reply.request.raw.socket.destroyed) gone.abort();
    const signal = AbortSignal.any([gone.signal, this.#ending.signal]);
    reply.hijack();
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.counted(++this.#open);
    try {
      await follow({ signal, write: (text) => write(raw, text, signal) });
    } finally {
      this.counted(--this.#open);
      raw.end();
    }
  }
}

async function write(out: FastifyReply['raw'], text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || out.write(text)) return;
  try {
    await once(out, 'drain', { signal });
  } catch {
    // The reader went away or we shut down; whoever writes sees it by the signal.
  }
}
