import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';
import { temporaryDirectory } from './temporary-directory.js';
import { redisTlsLines } from './redis-server.js';
import type { TestCertificates } from './test-certificates.js';

/** Options of {@link startSentinels}. */
export interface SentinelOptions {
  readonly name: string;
  /** Port, on the loopback, of the master at first. */
  readonly master: number;
  /** How Sentinels log in to Redis. */
  readonly login: { readonly username: string; readonly password: string };
  readonly tls: TestCertificates;
  /** User and password of those who ask Sentinels, and by which these log in to each other. */
  readonly own: { readonly username: string; readonly password: string };
  readonly downAfterMs: number;
}

/** A real Sentinel, which is redis-server in another mode. */
export class SentinelServer {
  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly process: ServerProcess,
  ) {}

  static async start(options: SentinelOptions, quorum: number): Promise<SentinelServer> {
    const directory = temporaryDirectory('redis');
    const port = await freePort();
    const lines = configuration(port, directory, options, quorum);
    // It writes what it learns into this file.
    writeFileSync(join(directory, 'sentinel.conf'), lines.join('\n'), { mode: 0o600 });
    const process = await ServerProcess.start({
      command: 'redis-server',
      args: [join(directory, 'sentinel.conf'), '--sentinel'],
      ready: /\+monitor master/,
    });
    return new SentinelServer(port, directory, process);
  }

  /** It stands still, and what happens meanwhile is news to it when it goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.process.signal(signal);
  }

  /** Ends it and removes its directory. */
  async stop(): Promise<void> {
    this.signal('SIGCONT');
    await this.process.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Starts as many Sentinels of one master, of which a majority decides; they find each other by themselves. */
export function startSentinels(
  count: number,
  options: SentinelOptions,
): Promise<readonly SentinelServer[]> {
  const quorum = Math.floor(count / 2) + 1;
  return Promise.all(Array.from({ length: count }, () => SentinelServer.start(options, quorum)));
}

function configuration(
  port: number,
  directory: string,
  { name, master, login, tls, own, downAfterMs }: SentinelOptions,
  quorum: number,
): readonly string[] {
  return [
    'bind 127.0.0.1',
    `dir ${directory}`,
    ...redisTlsLines(port, directory, tls),
    'tls-auth-clients optional',
    'tls-replication yes',
    'user default off',
    `user ${own.username} on >${own.password} allchannels +@all`,
    `sentinel sentinel-user ${own.username}`,
    `sentinel sentinel-pass ${own.password}`,
    `sentinel monitor ${name} 127.0.0.1 ${master} ${quorum}`,
    `sentinel auth-user ${name} ${login.username}`,
    `sentinel auth-pass ${name} ${login.password}`,
    `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
    `sentinel failover-timeout ${name} 10000`,
    '',
  ];
}
