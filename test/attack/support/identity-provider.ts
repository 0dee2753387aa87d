import { createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { createServer, request, type Server } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import Provider from 'oidc-provider';
import { freePort, makeTestCertificates, type TestCertificates } from '#testing';

/** The client that the product is; another one of the same provider has this name with `-other` behind it. */
export const CLIENT = 'hostward-cli';

/** What the provider is asked for and answers, as a browser has it. */
interface Page {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

type Claims = Readonly<Record<string, unknown>>;

const MAX_PAGES = 12;

/** A real OpenID provider in this process, over TLS with a CA of its own; who is in which group is told to it. */
export class IdentityProvider {
  private constructor(
    readonly issuer: string,
    readonly certificates: TestCertificates,
    private readonly key: KeyObject,
    private readonly publicPem: string,
    private readonly server: Server,
  ) {}

  static async start(groups: Readonly<Record<string, readonly string[]>>) {
    const [certificates, port] = await Promise.all([makeTestCertificates(), freePort()]);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const issuer = `https://127.0.0.1:${port}`;
    const provider = new Provider(issuer, configuration(groups, privateKey));
    const server = createServer(certificates, provider.callback());
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    return new IdentityProvider(issuer, certificates, privateKey, pem, server);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Signs in as `user` in a browser that begins at `url`; gives the address that it is sent back to. */
  async signIn(url: string, user: string): Promise<string> {
    const browser = new Browser(this.certificates.ca);
    let page = await browser.open(url);
    for (let i = 0; i < MAX_PAGES; i += 1) {
      const next = page.headers.location;
      if (next?.startsWith('http://')) return next;
      if (next !== undefined) page = await browser.open(new URL(next, this.issuer).href);
      else page = await browser.submit(formOf(page, this.issuer), user);
    }
    throw new Error(`the provider sends nobody back: ${page.status} ${page.text}`);
  }

  /** Exchanges a code as the provider's own client does; gives its answer. */
  async exchange(form: Readonly<Record<string, string>>): Promise<Page> {
    return new Browser(this.certificates.ca).post(`${this.issuer}/token`, form);
  }

  /** A token as the provider signs it, with other claims or another header where those are given. */
  token(claims: Claims = {}, header: Claims = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      ...{ iss: this.issuer, aud: CLIENT, sub: 'alice', groups: ['platform'] },
      ...{ iat: now, exp: now + 600, nonce: 'n', jti: randomBytes(8).toString('hex') },
      ...claims,
    };
    const head = { alg: 'RS256', kid: 'one', ...header };
    const signed = [head, all]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${signed}.${this.#signature(head.alg, signed)}`;
  }

  #signature(alg: string, signed: string): string {
    if (alg === 'none') return '';
    // The old trick: the public key, which everybody knows, as a shared secret.
    if (alg === 'HS256')
      return createHmac('sha256', this.publicPem).update(signed).digest('base64url');
    return sign('sha256', Buffer.from(signed), this.key).toString('base64url');
  }
}

function configuration(groups: Readonly<Record<string, readonly string[]>>, key: KeyObject) {
  const client = (id: string) => ({
    client_id: id,
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: ['http://127.0.0.1/callback'],
  });
  return {
    clients: [client(CLIENT), client(`${CLIENT}-other`)],
    jwks: { keys: [{ ...key.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: true } },
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: () => ({
        ...{ sub: accountId, preferred_username: accountId },
        groups: groups[accountId] ?? [],
      }),
    }),
  };
}

interface Form {
  readonly action: string;
  readonly prompt: string;
}

function formOf({ text, status }: Page, issuer: string): Form {
  const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1];
  const prompt = /name="prompt" value="([^"]+)"/.exec(text)?.[1];
  if (action === undefined || prompt === undefined)
    throw new Error(`a page without a form: ${status} ${text}`);
  return { action: new URL(action, issuer).href, prompt };
}

/** Pages and cookies; follows nothing by itself. */
class Browser {
  readonly #jar = new Map<string, string>();

  constructor(private readonly ca: string) {}

  open(url: string): Promise<Page> {
    return this.#send('GET', url);
  }

  submit({ action, prompt }: Form, user: string): Promise<Page> {
    return this.post(
      action,
      prompt === 'login' ? { prompt, login: user, password: 'x' } : { prompt },
    );
  }

  post(url: string, form: Readonly<Record<string, string>>): Promise<Page> {
    return this.#send('POST', url, new URLSearchParams(form).toString());
  }

  #send(method: string, url: string, body?: string): Promise<Page> {
    const cookie = [...this.#jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = {
      cookie,
      ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { method, headers, ca: this.ca, agent: false }, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          this.#keep(incoming.headers['set-cookie'] ?? []);
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text });
        });
      });
      outgoing.setTimeout(20_000, () => outgoing.destroy(new Error(`no answer of ${url}`)));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  #keep(cookies: readonly string[]): void {
    for (const cookie of cookies) {
      const [pair = ''] = cookie.split(';');
      const at = pair.indexOf('=');
      const value = pair.slice(at + 1);
      if (value === '') this.#jar.delete(pair.slice(0, at));
      else this.#jar.set(pair.slice(0, at), value);
    }
  }
}
