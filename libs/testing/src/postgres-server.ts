import { execFileSync } from 'node:child_process';
import { chownSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';
import { SmallDisks } from './small-disks.js';
import { temporaryDirectory } from './temporary-directory.js';
import type { TestCertificates } from './test-certificates.js';

/** Options of {@link startPostgres}. */
export interface PostgresServerOptions {
  readonly tls?: TestCertificates;
  /** Its directory is a disk of this size, which can be filled; only root can make one. */
  readonly diskMib?: number;
}

/** Where Debian puts the programs of the server. */
const PROGRAMS = '/usr/lib/postgresql';
/** Whom Debian's package makes; the server refuses to run as root. */
const USER = 'postgres';

/**
 * A real PostgreSQL on a port of the loopback, with a data directory of its own and a role `hostward` that owns the
 * database `hostward` and nothing else.
 */
export class PostgresServer {
  readonly password = 'of-a-test';
  private process: ServerProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly disk: SmallDisks | undefined,
  ) {}

  static async start({ tls, diskMib: mib }: PostgresServerOptions): Promise<PostgresServer> {
    const directory = temporaryDirectory('postgresql');
    const disk =
      mib === undefined ? undefined : await SmallDisks.start([{ folder: directory, mib }]);
    const server = new PostgresServer(await freePort(), directory, disk);
    // Where this process finds what the server has in its directory.
    const here = disk?.at(directory) ?? directory;
    giveToUser(here);
    const locale = ['-E', 'UTF8', '--locale=C.UTF-8'];
    server.run('initdb', ['-D', server.data, '-U', USER, '-A', 'trust', ...locale, '--no-sync']);
    writeOwned(join(here, 'data', 'pg_hba.conf'), accessRules(tls !== undefined));
    if (tls) for (const name of ['cert', 'key'] as const) writeOwned(join(here, name), tls[name]);
    writeOwned(join(here, 'data', 'postgresql.auto.conf'), server.settings(tls !== undefined));
    await server.restart();
    server.sql(`CREATE ROLE hostward LOGIN PASSWORD '${server.password}'`, USER);
    server.sql('CREATE DATABASE hostward OWNER hostward', USER);
    return server;
  }

  /** False too where it has ended by itself. */
  get isRunning(): boolean {
    return this.process?.isRunning ?? false;
  }

  /** Starts it again on the same data and port; the running one is stopped first. */
  async restart(): Promise<void> {
    await this.halt();
    const [command = '', ...args] = this.asUser(program('postgres'), ['-D', this.data]);
    const ready = /database system is ready to accept connections/;
    this.process = await ServerProcess.start({ command, args, ready, stopSignal: 'SIGINT' });
  }

  /** Ends it, and all its connections, keeping the data. */
  async halt(): Promise<void> {
    await this.process?.stop();
    this.process = undefined;
  }

  /** Ends all its processes at once, as a power cut would. */
  async kill9(): Promise<void> {
    const backends = this.process ? childrenOf(this.process.pid) : [];
    await this.process?.kill9();
    this.process = undefined;
    for (const pid of backends) await endProcess(pid);
  }

  /** Not a byte more can be written; throws where it has no disk of its own. */
  async fill(): Promise<void> {
    if (!this.disk) throw new Error('this PostgreSQL has no disk of its own');
    await this.disk.fill(this.directory);
  }

  async empty(): Promise<void> {
    await this.disk?.empty(this.directory);
  }

  /** Runs SQL as the superuser; what it prints. */
  sql(text: string, database = 'hostward'): string {
    const where = ['-h', this.directory, '-p', String(this.port), '-U', USER, '-d', database];
    return this.run('psql', [
      ...where,
      '-X',
      '-q',
      '-A',
      '-t',
      '-v',
      'ON_ERROR_STOP=1',
      '-c',
      text,
    ]);
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.halt();
    await this.disk?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private get data(): string {
    return join(this.directory, 'data');
  }

  private settings(tls: boolean): string {
    const lines = [
      `port = ${this.port}`,
      `listen_addresses = '127.0.0.1'`,
      `unix_socket_directories = '${this.directory}'`,
      'max_connections = 50',
      'shared_buffers = 16MB',
    ];
    // So little that it fits on a small disk.
    const logLines = this.disk ? ['min_wal_size = 32MB', 'max_wal_size = 64MB'] : [];
    const file = (name: string) => `'${join(this.directory, name)}'`;
    const tlsLines = [
      `ssl = on`,
      `ssl_cert_file = ${file('cert')}`,
      `ssl_key_file = ${file('key')}`,
    ];
    return [...lines, ...logLines, ...(tls ? tlsLines : []), ''].join('\n');
  }

  private run(name: string, args: readonly string[]): string {
    const [command = '', ...rest] = this.asUser(program(name), args);
    return execFileSync(command, rest, {
      ...{ cwd: '/', encoding: 'utf8', timeout: 60_000 },
      // What it says goes into the error where it fails.
      stdio: 'pipe',
    }).trim();
  }

  /** The death signal is asked for after the change of user, which takes it away. */
  private asUser(command: string, args: readonly string[]): readonly string[] {
    if (!isRoot()) return [command, ...args];
    const user = ['--reuid', USER, '--regid', USER, '--clear-groups', '--pdeathsig', 'KILL'];
    return [...(this.disk?.words ?? []), 'setpriv', ...user, '--', command, ...args];
  }
}

/** Starts one PostgreSQL and waits until it accepts connections. */
export function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  return PostgresServer.start(options);
}

/** Over TCP by password; the socket lies in a folder of the server's user alone. */
function accessRules(tls: boolean): string {
  return `local all all trust\n${tls ? 'hostssl' : 'host'} all all 127.0.0.1/32 scram-sha-256\n`;
}

function program(name: string): string {
  const versions = readdirSync(PROGRAMS).toSorted((a, b) => Number(a) - Number(b));
  return join(PROGRAMS, versions.at(-1) ?? '', 'bin', name);
}

const isRoot = (): boolean => process.getuid?.() === 0;

function giveToUser(path: string): void {
  if (!isRoot()) return;
  const id = (flag: string) => Number(execFileSync('id', [flag, USER], { encoding: 'utf8' }));
  chownSync(path, id('-u'), id('-g'));
}

function writeOwned(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  giveToUser(path);
}

function childrenOf(pid: number): readonly number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return readFileSync(path, 'utf8').split(' ').map(Number).filter(Boolean);
}

/** Until it holds nothing any more: a server does not start on memory that one of an earlier one still has. */
async function endProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
    for (let look = 0; look < 500; look += 1) {
      if (/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
      await delay(10);
    }
    throw new Error(`process ${pid} of the server that was killed does not end`);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ESRCH' || code === 'ENOENT';
}
