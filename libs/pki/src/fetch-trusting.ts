import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';

/** What is fetched, in the words of `fetch`. */
interface Fetched {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

const MAX_BYTES = 1024 * 1024;

/**
 * A `fetch` for https alone that believes a CA of its own, which Node's cannot; without one, those of the system. It
 * follows no redirect and reads no more than 1 MiB. Whoever calls gives a signal with a deadline.
 */
export function fetchTrusting(
  ca: string | undefined,
): (url: string, fetched: Fetched) => Promise<Response> {
  return async (url, { method = 'GET', headers = {}, body, signal }) => {
    const text = asText(body);
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request(url, { method, headers, ca, signal, agent: false }, resolve);
      outgoing.on('error', reject);
      outgoing.end(text);
    });
    return toResponse(incoming, await readBounded(incoming));
  };
}

function asText(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('only text and forms can be sent');
}

async function readBounded(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function toResponse({ statusCode = 0, headers }: IncomingMessage, text: string): Response {
  const type = headers['content-type'];
  const init = {
    status: statusCode,
    headers: {
      ...(type !== undefined && { 'content-type': type }),
      ...(headers['www-authenticate'] !== undefined && {
        'www-authenticate': headers['www-authenticate'],
      }),
    },
  };
  return new Response([204, 304].includes(statusCode) ? null : text, init);
}
