import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type CommandResult, mustRun, runCommand } from '../lab/run-command.js';
import { freePort } from '../free-port.js';

/** What a simulated host is like; `prepare` is shell that root runs in it before sshd starts. */
export interface SimulatedHostOptions {
  readonly name: string;
  readonly prepare?: string;
  /** Lines of sshd_config that go before the usual ones. */
  readonly sshd?: string;
}

const START_WITHIN_MS = 30_000;

/**
 * Stands for systemd, which cannot run many times on one machine: a unit is active once it was started. It says so to
 * whoever asks, and keeps what was asked of it.
 */
const SYSTEMCTL = `#!/bin/sh
echo "$*" >>/run/systemd/calls
verb=$1
shift
for word in "$@"; do
  case $word in -*) continue ;; esac
  case $verb in
    start | restart) : >"/run/systemd/active-$word" ;;
    stop) rm -f "/run/systemd/active-$word" ;;
    is-active) [ -e "/run/systemd/active-$word" ] || exit 3 ;;
  esac
done
`;

/**
 * Hosts on loopback that differ from this machine in what they write: each a real sshd in mount and UTS namespaces of its
 * own, with /etc, /usr and /var as overlays over this machine's, with a home for root that has no file of this machine's
 * root (a shell would start with them), and with systemd and the kernel's list of security modules as stand-ins. Needs
 * root. Nothing of them is left after `stop`.
 */
export class SimulatedHosts {
  readonly hosts = new Map<string, SimulatedHost>();
  readonly #ports = new Set<number>();

  private constructor(
    private readonly folder: string,
    private readonly publicKey: string,
    private readonly passwordHash: string,
  ) {}

  /** Of the user `deploy`, whom every simulated host has. */
  static readonly deployPassword = 'deploy-of-simulated-hosts';

  static async prepare(): Promise<SimulatedHosts> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-hosts-'));
    // An overlay's folders are looked through by the users of the host.
    await chmod(folder, 0o755);
    const key = join(folder, 'id_ed25519');
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    await writeFile(join(folder, 'known_hosts'), '');
    const hash = await mustRun('openssl', ['passwd', '-6', '-stdin'], {
      input: SimulatedHosts.deployPassword,
    });
    return new SimulatedHosts(folder, await readFile(`${key}.pub`, 'utf8'), hash.trim());
  }

  /** Private key that root and `deploy` of every host take. */
  get keyFile(): string {
    return join(this.folder, 'id_ed25519');
  }

  /** Names every host that was started, by its true key. */
  get knownHosts(): string {
    return join(this.folder, 'known_hosts');
  }

  /** Starts a host; many may be started at once. */
  async start(options: SimulatedHostOptions): Promise<SimulatedHost> {
    const { name } = options;
    const port = await this.#freshPort();
    const base = join(this.folder, name);
    await mkdir(base);
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(base, 'host_key')]);
    await writeFile(join(base, 'authorized_keys'), this.publicKey);
    await writeFile(join(base, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
    await writeFile(join(base, 'sshd_config'), `${options.sshd ?? ''}${sshdConfig(base, port)}`);
    const script = setUp(base, options, this.passwordHash);
    const args = ['--mount', '--uts', '--propagation=private', 'sh', '-c', script];
    const child = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const host = new SimulatedHost(name, port, child);
    this.hosts.set(name, host);
    await host.ready();
    const hostKey = (await readFile(join(base, 'host_key.pub'), 'utf8')).split(' ');
    const line = `[127.0.0.1]:${port} ${hostKey.slice(0, 2).join(' ')}\n`;
    await writeFile(this.knownHosts, line, { flag: 'a' });
    return host;
  }

  /** A port stays free until sshd takes it, so hosts that start at once must not be given the same. */
  async #freshPort(): Promise<number> {
    let port = await freePort();
    while (this.#ports.has(port)) port = await freePort();
    this.#ports.add(port);
    return port;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** One of them. */
export class SimulatedHost {
  #said = '';

  constructor(
    readonly name: string,
    readonly port: number,
    private readonly child: ChildProcess,
  ) {
    child.stderr?.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
  }

  /** Runs shell in it as root, past sshd. */
  run(script: string, input = ''): Promise<CommandResult> {
    const args = [`--target=${this.child.pid}`, '--mount', '--uts', 'sh', '-c', script];
    return runCommand('nsenter', args, { input, timeoutMs: 120_000 });
  }

  async ready(): Promise<void> {
    const deadline = Date.now() + START_WITHIN_MS;
    while (!(await answers(this.port))) {
      if (this.child.exitCode !== null || Date.now() > deadline)
        throw new Error(`the simulated host ${this.name} did not start:\n${this.#said}`);
      await delay(20);
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await gone;
  }
}

function sshdConfig(base: string, port: number): string {
  return `ListenAddress 127.0.0.1
Port ${port}
HostKey ${base}/host_key
AuthorizedKeysFile ${base}/authorized_keys
PidFile none
UsePAM no
UseDNS no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication yes
MaxStartups 100
PerSourcePenalties no
AllowTcpForwarding yes
`;
}

function setUp(
  base: string,
  { name, prepare = '' }: SimulatedHostOptions,
  passwordHash: string,
): string {
  return `set -eu
hostname '${name}'
for folder in etc usr var; do
  mkdir '${base}/up-'$folder '${base}/work-'$folder
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=${base}/up-$folder,workdir=${base}/work-$folder" "/$folder"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/systemd/system /run/root
sed -i 's#^\\(root:.*\\):/root:#\\1:/run/root:#' /etc/passwd
mount -t tmpfs tmpfs /sys/kernel/security
echo 'lockdown,capability,apparmor,bpf' >/sys/kernel/security/lsm
cp '${base}/systemctl' /usr/bin/systemctl
echo 'deploy:x:4242:4242::/tmp:/bin/sh' >>/etc/passwd
echo 'deploy:x:4242:' >>/etc/group
echo 'deploy:${passwordHash}:20000::::::' >>/etc/shadow
${prepare}
exec /usr/sbin/sshd -D -e -f '${base}/sshd_config'`;
}

/** Whether sshd greets on the port. */
function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.setTimeout(1_000);
  socket.once('data', () => resolve(true));
  for (const event of ['error', 'timeout', 'close'] as const)
    socket.once(event, () => resolve(false));
  return promise.finally(() => socket.destroy());
}
