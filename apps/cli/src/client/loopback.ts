import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CommandFailed } from '../output/errors.js';

const PATH = '/callback';

/** Waits on a free port of this machine for the browser to come back from the identity provider. */
export class Loopback {
  private constructor(
    private readonly server: Server,
    readonly redirectUri: string,
  ) {}

  static async listen(): Promise<Loopback> {
    const server = createServer({ requestTimeout: 10_000 });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return new Loopback(server, `http://127.0.0.1:${port}${PATH}`);
  }

  /**
   * The address that the browser was sent back to with our `state`. Others are turned away and do not end the wait:
   * whoever else can reach the port must not spoil the login.
   */
  async answer(state: string, timeoutMs: number): Promise<URL> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<URL>((resolve, reject) => {
        timer = setTimeout(() => reject(tooLate(timeoutMs)), timeoutMs);
        this.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
          const url = new URL(request.url ?? '/', this.redirectUri);
          const ours = url.pathname === PATH && url.searchParams.get('state') === state;
          tell(response, ours);
          if (ours && request.method === 'GET') resolve(url);
        });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.server.close();
    // Whoever else keeps a connection open must not keep the command from ending.
    this.server.closeAllConnections();
  }
}

function tell(response: ServerResponse, ours: boolean): void {
  response.writeHead(ours ? 200 : 400, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(
    ours
      ? 'hostward has your answer: you may close this page and look at the terminal.\n'
      : 'This is not the answer to a login of hostward.\n',
  );
}

function tooLate(timeoutMs: number): CommandFailed {
  return new CommandFailed(
    `nobody came back from the identity provider within ${timeoutMs / 60_000} minutes`,
    'run the command again, and open the address in a browser on this machine',
  );
}
