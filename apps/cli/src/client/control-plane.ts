import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page, Problem } from '#contracts';
import { CommandFailed } from '../output/errors.js';
import type { Context } from './context.js';
import { identityOf } from './identity.js';
import { ProblemAnswer } from './problem-answer.js';
import { readEvents, type ServerEvent } from './server-events.js';
import { waitOf } from './told-to-wait.js';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** An object is sent as JSON, text as YAML. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long a busy control plane is asked again, at the times that it says; 60 s. */
  readonly patienceMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly etag?: string;
  /** Seconds, where it says when to come again. */
  readonly retryAfter?: string;
  readonly body: unknown;
}

/** What a command tells its user of answers, beside what they hold. */
export interface Told {
  /** Why what was read may be older than what is in force. */
  readonly stale: (why: string) => void;
  /** That the control plane has too much to do, and in how many ms it is asked again. */
  readonly busy: (why: string, waitMs: number) => void;
}

const TIMEOUT_MS = 30_000;
const PATIENCE_MS = 60_000;
const LARGEST_PAGE = '1000';
/** The server says something every 15 s; a stream that is silent for longer is dead. */
const SILENCE_MS = 50_000;
/** What one answer may hold; more is not an answer of a control plane. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** No answer came: nobody listens, the link was cut, or the other side could not prove who it is. */
class Unreachable extends CommandFailed {}

/** Whether the same request may succeed later without any change to it. */
export function isPassing(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof ProblemAnswer && error.passing);
}

/** The REST client of the CLI: one bearer token, one pinned CA, every call with a deadline. */
export class ControlPlane {
  private readonly agent: Agent;

  constructor(
    private readonly context: Context,
    private readonly told: Partial<Told> = {},
  ) {
    this.agent = new Agent({ keepAlive: true, ca: context.ca, minVersion: 'TLSv1.3' });
  }

  get url(): string {
    return this.context.url;
  }

  /** Which control plane this is, however its address is used later. */
  get identity(): string {
    return identityOf(this.context);
  }

  /** The decoded body of a success; a problem document becomes `ProblemAnswer`. */
  async call<T>(path: string, call: Call = {}): Promise<T> {
    const answer = await this.answer(path, call);
    if (answer.status >= 400) throw new ProblemAnswer(answer.status, problemOf(answer));
    return answer.body as T;
  }

  /** The answer whatever its status; to a busy control plane what it has not begun is said again. */
  async answer(path: string, call: Call = {}): Promise<Answer> {
    const lastMs = performance.now() + (call.patienceMs ?? PATIENCE_MS);
    for (;;) {
      const answer = await this.answerOnce(path, call);
      const waitMs = waitOf(answer);
      if (waitMs === undefined || performance.now() + waitMs > lastMs) return answer;
      this.told.busy?.(problemOf(answer).title, waitMs);
      await delay(waitMs);
    }
  }

  private async answerOnce(path: string, call: Call): Promise<Answer> {
    const response = await this.send(path, call);
    const text = await this.text(response);
    const stale = response.headers['hostward-stale'];
    if (stale !== undefined && isSuccess(response)) this.told.stale?.(String(stale));
    const json = (response.headers['content-type'] ?? '').includes('json');
    return {
      status: response.statusCode ?? 0,
      etag: response.headers.etag,
      retryAfter: response.headers['retry-after'],
      body: json ? asObject(text) : text,
    };
  }

  /** All pages of a list, each as large as the control plane gives. */
  async all<T>(path: string, query: Call['query'] = {}): Promise<T[]> {
    const items: T[] = [];
    for await (const page of this.pages<T>(path, query)) items.push(...page);
    return items;
  }

  /** The pages of a list, each asked for when it is wanted. */
  async *pages<T>(path: string, query: Call['query'] = {}): AsyncGenerator<readonly T[]> {
    let cursor: string | undefined;
    do {
      const sent = { limit: LARGEST_PAGE, ...query, cursor };
      const page: Page<T> = await this.call<Page<T>>(path, { query: sent });
      yield page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Server-sent events from now or after `lastEventId`; ends when the connection ends. */
  async *events(
    path: string,
    query: Call['query'],
    { lastEventId, onOpen }: { lastEventId?: string; onOpen?: () => void } = {},
  ): AsyncGenerator<ServerEvent> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId;
    const response = await this.send(path, { query, headers }, SILENCE_MS);
    const status = response.statusCode ?? 0;
    if (status >= 400) {
      const body = asObject(await this.text(response));
      throw new ProblemAnswer(status, problemOf({ status, body }));
    }
    onOpen?.();
    yield* readEvents(response);
  }

  close(): void {
    this.agent.destroy();
  }

  private async text(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
        chunks.push(chunk);
      }
    } catch (error) {
      throw unreachable(this.context.url, error instanceof Error ? error : new Error('cut'));
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  private send(path: string, call: Call, timeoutMs = TIMEOUT_MS): Promise<IncomingMessage> {
    const url = new URL(this.context.url + path);
    for (const [key, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, value);
    }
    const { payload, type } = encode(call.body);
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        {
          method: call.method ?? 'GET',
          agent: this.agent,
          timeout: timeoutMs,
          headers: {
            authorization: `Bearer ${this.context.token}`,
            accept: 'application/json',
            ...(type === undefined ? {} : { 'content-type': type }),
            ...call.headers,
          },
        },
        resolve,
      );
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
      sent.on('error', (error) => reject(unreachable(this.context.url, error)));
      sent.end(payload);
    });
  }
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode < 400;
}

function encode(body: unknown): { payload?: string; type?: string } {
  if (body === undefined) return {};
  if (typeof body === 'string') return { payload: body, type: 'application/yaml' };
  return { payload: JSON.stringify(body), type: 'application/json' };
}

function unreachable(url: string, cause: Error): Unreachable {
  const certificate = /certificate|self.signed|CERT/i.test(cause.message);
  return new Unreachable(
    `cannot reach the control plane at ${url}: ${cause.message}`,
    certificate
      ? 'its certificate is not one of the known CA: check HOSTWARD_CA, or choose by `hostward context list`'
      : 'is it running? `./hostward up` starts one on this machine; `hostward context list` and HOSTWARD_URL name others',
    { cause },
  );
}

function problemOf(answer: Answer): Problem {
  if (typeof answer.body === 'object' && answer.body !== null) return answer.body as Problem;
  return { type: 'about:blank', title: `HTTP ${answer.status}`, status: answer.status };
}

function asObject(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
