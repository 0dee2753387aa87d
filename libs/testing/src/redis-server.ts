import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';
import { temporaryDirectory } from './temporary-directory.js';
import type { TestCertificates } from './test-certificates.js';

/** Options of {@link startRedis}; ACL users in the words of `ACL SETUSER`, by name. */
export interface RedisServerOptions {
  readonly tls?: TestCertificates;
  readonly aclUsers?: Readonly<Record<string, string>>;
  /** Further lines of redis.conf. */
  readonly config?: readonly string[];
}

/** A real redis-server on a port of the loopback; nothing is kept over a restart, as in production. */
export class RedisServer {
  private process: ServerProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly tls: boolean,
    private readonly lines: string,
  ) {}

  static async start(options: RedisServerOptions): Promise<RedisServer> {
    const directory = temporaryDirectory('redis');
    const port = await freePort();
    const lines = configuration(port, directory, options);
    const server = new RedisServer(port, directory, options.tls !== undefined, lines);
    await server.restart();
    return server;
  }

  get url(): string {
    return `${this.tls ? 'rediss' : 'redis'}://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Starts it again, empty, on the same port; the running one is stopped first. */
  async restart(): Promise<void> {
    await this.process?.stop();
    // As where Redis may not write its configuration: what a Sentinel had it put there is forgotten.
    writeFileSync(join(this.directory, 'redis.conf'), this.lines);
    this.process = await ServerProcess.start({
      command: 'redis-server',
      args: [join(this.directory, 'redis.conf')],
      ready: /Ready to accept connections/,
    });
  }

  /** Ends it; `restart` brings it back. */
  async halt(): Promise<void> {
    await this.process?.stop();
    this.process = undefined;
  }

  async kill9(): Promise<void> {
    await this.process?.kill9();
    this.process = undefined;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.process?.signal(signal);
  }

  /** Ends it and removes its directory. */
  async stop(): Promise<void> {
    this.signal('SIGCONT');
    await this.halt();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Starts one Redis and waits until it accepts connections. */
export function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  return RedisServer.start(options);
}

function configuration(port: number, directory: string, options: RedisServerOptions): string {
  const users = Object.entries(options.aclUsers ?? {});
  return [
    'bind 127.0.0.1',
    `dir ${directory}`,
    'save ""',
    'appendonly no',
    ...(options.tls ? redisTlsLines(port, directory, options.tls) : [`port ${port}`]),
    ...users.map(([name, rules]) => `user ${name} ${rules}`),
    ...(options.config ?? []),
    '',
  ].join('\n');
}

/** Lines of a configuration for TLS alone, with the files of it written to the directory. */
export function redisTlsLines(
  port: number,
  directory: string,
  tls: TestCertificates,
): readonly string[] {
  const file = (name: string, pem: string): string => {
    const path = join(directory, name);
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  };
  return [
    'port 0',
    `tls-port ${port}`,
    `tls-ca-cert-file ${file('ca.pem', tls.ca)}`,
    `tls-cert-file ${file('cert.pem', tls.cert)}`,
    `tls-key-file ${file('key.pem', tls.key)}`,
  ];
}
