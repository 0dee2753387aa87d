import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';
import { temporaryDirectory } from './temporary-directory.js';
import type { TestCertificates } from './test-certificates.js';

/** Options of {@link startEtcd}; `tls` makes it ask for client certificates of the same authority. */
export interface EtcdServerOptions {
  readonly tls?: TestCertificates;
  /** Further flags, for instance `--quota-backend-bytes=16777216`. */
  readonly args?: readonly string[];
}

interface Member {
  readonly name: string;
  readonly directory: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

/** A real etcd on a port of the loopback, with a data directory of its own. */
export class EtcdServer {
  private process: ServerProcess | undefined;

  private constructor(
    private readonly member: Member,
    private readonly args: readonly string[],
    private readonly scheme: string,
  ) {}

  /** Starts one member that knows all of `members`; does not wait for a quorum. */
  static async start(
    member: Member,
    members: readonly Member[],
    options: EtcdServerOptions,
  ): Promise<EtcdServer> {
    const scheme = options.tls ? 'https' : 'http';
    const args = [
      ...addressFlags(member, members, scheme),
      ...tlsFlags(member.directory, options.tls),
      ...(options.args ?? []),
    ];
    const server = new EtcdServer(member, args, scheme);
    await server.restart();
    return server;
  }

  get port(): number {
    return this.member.clientPort;
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Starts it again on the same data directory and port; the running one is stopped first. */
  async restart(): Promise<void> {
    await this.process?.stop();
    const ready = /serving client traffic|serving insecure client requests/;
    this.process = await ServerProcess.start({ command: 'etcd', args: this.args, ready });
  }

  /** Ends it, keeping the data. */
  async halt(): Promise<void> {
    await this.process?.stop();
    this.process = undefined;
  }

  /** Forgets all data; only while halted. The next start has revision 1 and the same cluster id. */
  wipe(): void {
    rmSync(join(this.member.directory, 'data'), { recursive: true, force: true });
  }

  /** Puts the snapshot in the place of all data, by etcdutl; only while halted. Flags e.g. `--bump-revision=1000`. */
  restore(snapshot: string, flags: readonly string[] = []): void {
    this.wipe();
    const peer = `http://127.0.0.1:${this.member.peerPort}`;
    execFileSync(
      'etcdutl',
      [
        ...['snapshot', 'restore', snapshot, '--data-dir', join(this.member.directory, 'data')],
        ...['--name', this.member.name, '--initial-cluster', `${this.member.name}=${peer}`],
        ...['--initial-advertise-peer-urls', peer, ...flags],
      ],
      { stdio: 'ignore', timeout: 60_000 },
    );
  }

  async kill9(): Promise<void> {
    await this.process?.kill9();
    this.process = undefined;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.process?.signal(signal);
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    this.signal('SIGCONT');
    await this.halt();
    rmSync(this.member.directory, { recursive: true, force: true });
  }
}

/** Starts one etcd and waits until it serves. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const member = await newMember('m0');
  return EtcdServer.start(member, [member], options);
}

/** Starts a cluster of `size` members on the loopback and waits until all serve. */
export async function startEtcdCluster(
  size: number,
  options: EtcdServerOptions = {},
): Promise<readonly EtcdServer[]> {
  const members: Member[] = [];
  for (let index = 0; index < size; index += 1) members.push(await newMember(`m${index}`));
  return Promise.all(members.map((member) => EtcdServer.start(member, members, options)));
}

async function newMember(name: string): Promise<Member> {
  const directory = temporaryDirectory('etcd');
  return { name, directory, clientPort: await freePort(), peerPort: await freePort() };
}

function addressFlags(
  member: Member,
  members: readonly Member[],
  scheme: string,
): readonly string[] {
  const peer = (of: Member): string => `http://127.0.0.1:${of.peerPort}`;
  const client = `${scheme}://127.0.0.1:${member.clientPort}`;
  return [
    `--name=${member.name}`,
    `--data-dir=${join(member.directory, 'data')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer(member)}`,
    `--initial-advertise-peer-urls=${peer(member)}`,
    `--initial-cluster=${members.map((each) => `${each.name}=${peer(each)}`).join(',')}`,
    '--unsafe-no-fsync',
  ];
}

function tlsFlags(directory: string, tls: TestCertificates | undefined): readonly string[] {
  if (tls === undefined) return [];
  const file = (name: string, pem: string): string => {
    const path = join(directory, name);
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  };
  return [
    '--client-cert-auth',
    `--trusted-ca-file=${file('ca.pem', tls.ca)}`,
    `--cert-file=${file('cert.pem', tls.cert)}`,
    `--key-file=${file('key.pem', tls.key)}`,
  ];
}
