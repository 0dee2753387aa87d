import { request } from 'node:https';

/** An answer of the REST API, with its body parsed where it is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // Tests look into bodies freely; what they find is what they assert.
  readonly body: Readonly<Record<string, never>>;
}

/** What a test sends. A string goes as YAML, anything else as JSON. */
export interface Sent {
  readonly body?: unknown;
  readonly type?: string;
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A REST client of tests: says everything, judges nothing. */
export class Rest {
  constructor(
    readonly url: string,
    private readonly ca: string,
    private readonly token: string,
  ) {}

  call(method: string, path: string, sent: Sent = {}): Promise<Answer> {
    const text =
      typeof sent.body === 'string'
        ? sent.body
        : sent.body === undefined
          ? undefined
          : JSON.stringify(sent.body);
    const type =
      sent.type ?? (typeof sent.body === 'string' ? 'application/yaml' : 'application/json');
    const token = sent.token === undefined ? this.token : sent.token;
    const headers = {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(text !== undefined && {
        'content-type': type,
        'content-length': String(Buffer.byteLength(text)),
      }),
      ...sent.headers,
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        `${this.url}${path}`,
        { method, headers, ca: this.ca, agent: false },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () => {
            const answer = Buffer.concat(chunks).toString('utf8');
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text: answer,
              body: parse(answer),
            });
          });
        },
      );
      outgoing.setTimeout(60_000, () =>
        outgoing.destroy(new Error(`no answer to ${method} ${path}`)),
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  get(path: string, sent?: Sent): Promise<Answer> {
    return this.call('GET', path, sent);
  }

  post(path: string, body?: unknown, sent?: Sent): Promise<Answer> {
    return this.call('POST', path, { body, ...sent });
  }

  put(path: string, body: unknown, sent?: Sent): Promise<Answer> {
    return this.call('PUT', path, { body, ...sent });
  }

  delete(path: string, sent?: Sent): Promise<Answer> {
    return this.call('DELETE', path, sent);
  }
}

function parse(text: string): Answer['body'] {
  try {
    return JSON.parse(text) as Answer['body'];
  } catch {
    return {};
  }
}
