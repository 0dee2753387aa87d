import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'yaml';
import type { Finding, JoinTokenView, JournalEntryView, NodeView } from '#contracts';
import {
  type SimulatedHost,
  SimulatedHosts,
  slimRelease,
  stageHost,
  type SlimRelease,
} from '#testing';
import type { HostReport } from '../../apps/cli/src/bootstrap/bootstrap-run.js';
import { eventually } from './support/eventually.js';
import { Product, projectRoot, type CliResult } from './support/product.js';
import { SshAgent } from './support/ssh-agent.js';
import { Terminal } from './support/terminal.js';

const MINUTE = 60_000;
/** Each costs about a second; the fifty in the long size. */
const FLEET = process.env['HOSTWARD_FULL'] === '1' ? 50 : 12;
const TOKEN_FORM = 'hwj_[0-9a-f]{16}_';
const PART = '/var/cache/hostward-bootstrap';
/** An sshd that takes a password by keyboard-interactive alone, which it asks PAM about. */
const BY_KEYBOARD = {
  sshd: 'UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n',
  prepare: `printf '%s required pam_unix.so\\n' auth account session >/etc/pam.d/sshd`,
};

jest.setTimeout(5 * MINUTE);

let product: Product;
let lab: SimulatedHosts;
let release: SlimRelease;
let folder: string;
let fleet: readonly SimulatedHost[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-bootstrap-'));
  const staged = await stageHost(projectRoot);
  release = await slimRelease(staged.dir, join(folder, 'packages'));
  product = await Product.prepare();
  const { dataDir, port } = product;
  const args = [`--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`, '--no-local-agent'];
  await product.must(['up', '--detach', ...args, '--packages', release.dir], 3 * MINUTE);
  lab = await SimulatedHosts.prepare();
  const names = Array.from({ length: FLEET }, (_, i) => `host-${String(i + 1).padStart(2, '0')}`);
  fleet = await Promise.all(names.map((name) => lab.start({ name })));
}, 10 * MINUTE);

afterAll(async () => {
  await lab?.stop();
  await product?.down();
  await rm(folder, { recursive: true, force: true });
});

interface Login {
  readonly user?: string;
  readonly key?: readonly string[];
  /** Socket of an ssh-agent; none unless given. */
  readonly agent?: string;
}

interface Run {
  readonly code: number;
  readonly stderr: string;
  readonly hosts: readonly HostReport[];
}

/** `bootstrap --json` of hosts, as a user of them or root, with what a test adds. */
async function bootstrap(
  hosts: readonly SimulatedHost[],
  args: readonly string[] = [],
  { user = 'root', key = ['--identity', lab.keyFile], agent = '' }: Login = {},
): Promise<Run> {
  const common = ['--json', '--known-hosts', lab.knownHosts, '--package', packageFile(), ...key];
  const targets = hosts.map(({ port }) => `${user}@127.0.0.1:${port}`);
  const result = await product.cli(['bootstrap', ...targets, ...common, ...args], {
    timeoutMs: 4 * MINUTE,
    // A home without a key: what logs in is what the test gave.
    env: { SSH_AUTH_SOCK: agent, HOME: folder },
  });
  return { code: result.code, stderr: result.stderr, hosts: reportsOf(result) };
}

function reportsOf({ stdout, stderr }: CliResult): readonly HostReport[] {
  if (stdout === '') throw new Error(`no report: ${stderr}`);
  return (JSON.parse(stdout) as { hosts: readonly HostReport[] }).hosts;
}

function packageFile(): string {
  return join(release.dir, release.file);
}

/** What became of the only host of a run. */
async function one(host: SimulatedHost, args: readonly string[] = [], as: Login = {}) {
  const run = await bootstrap([host], args, as);
  return { ...run, host: run.hosts[0] };
}

async function secret(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `${text}\n`, { mode: 0o600 });
  return file;
}

async function nodes(): Promise<readonly NodeView[]> {
  const { stdout } = await product.must(['get', 'nodes', '-o', 'json']);
  return JSON.parse(stdout) as NodeView[];
}

async function tokens(): Promise<readonly JoinTokenView[]> {
  return JSON.parse((await product.must(['get', 'join-tokens', '-o', 'json'])).stdout) as never;
}

async function tokensEverMade(): Promise<number> {
  const { body } = await (await product.rest()).get('/v1/journal?limit=500');
  const items = body['items'] as unknown as readonly JournalEntryView[];
  return items.filter(({ action }) => action === 'join-token.created').length;
}

describe('a fleet of hosts', () => {
  let names: readonly string[];

  it('come in by one command, with the labels, over one join token that is gone after', async () => {
    names = fleet.map(({ name }) => name);
    const before = await tokensEverMade();
    const { code, stderr, hosts } = await bootstrap(fleet, ['--labels', 'env=prod,tier=web']);
    expect(hosts.filter(({ state }) => state !== 'enrolled')).toEqual([]);
    expect([code, hosts.map(({ name }) => name)]).toEqual([0, names]);
    expect(stderr).toContain('sending');
    const known = await nodes();
    expect(known.map(({ name }) => name)).toEqual(names);
    expect(known.every(({ labels }) => labels['env'] === 'prod' && labels['tier'] === 'web')).toBe(
      true,
    );
    expect(new Map(hosts.map(({ name, nodeId }) => [name, nodeId]))).toEqual(
      new Map(known.map(({ name, nodeId }) => [name, nodeId])),
    );
    expect([(await tokensEverMade()) - before, await tokens()]).toEqual([1, []]);
  });

  it('are started by systemd, and keep neither token nor package', async () => {
    for (const host of fleet.slice(0, 3)) {
      const { stdout } = await host.run(`cat /run/systemd/calls
grep -rlE '${TOKEN_FORM}' /etc /var /run /usr/lib/hostward --include='*' 2>/dev/null
ls -d ${PART} /var/tmp/hostward.* 2>/dev/null; stat -c '%A %U %n' /etc/hostward /etc/hostward/agent.yaml`);
      expect(stdout).toContain('enable --quiet hostward-early.service hostward-compiler.socket');
      expect(stdout).toContain('restart hostward-compiler.socket hostward-sensor.service');
      expect(stdout.split('\n').filter((line) => line.startsWith('/'))).toEqual([]);
      expect(stdout).toContain('-rw-r--r-- root /etc/hostward/agent.yaml');
    }
  });

  it('are left as they are by a second run, which makes no token and sends no package', async () => {
    const before = await tokensEverMade();
    const { code, hosts } = await bootstrap(fleet, ['--labels', 'env=prod,tier=web']);
    expect([code, new Set(hosts.map(({ state }) => state))]).toEqual([0, new Set(['unchanged'])]);
    expect(Math.max(...hosts.map(({ sentBytes = 0 }) => sentBytes))).toBeLessThan(20_000);
    expect(await tokensEverMade()).toBe(before);
  });

  it('are started again where their services do not run', async () => {
    const [host] = fleet;
    if (host === undefined) throw new Error('there is no host');
    await host.run('rm /run/systemd/active-hostward-agent.service');
    expect((await one(host)).host).toMatchObject({ state: 'started', name: host.name });
    expect((await one(host)).host).toMatchObject({ state: 'unchanged' });
  });
});

describe('a host is not taken for another', () => {
  let host: SimulatedHost;
  beforeAll(async () => {
    host = await lab.start({ name: 'keyed' });
  });

  async function keyWords(): Promise<{ fingerprint: string; line: string }> {
    const line = (await readFile(lab.knownHosts, 'utf8'))
      .split('\n')
      .find((each) => each.includes(`:${host.port} `));
    const blob = Buffer.from(line?.split(' ')[2] ?? '', 'base64');
    const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
    return { fingerprint: `SHA256:${digest}`, line: line ?? '' };
  }

  it('a key that nobody knows is refused with its fingerprint, and nothing is sent', async () => {
    const empty = await secret('nobody', '# none');
    const { code, host: report } = await one(host, ['--known-hosts', empty, '--dry-run']);
    const { fingerprint } = await keyWords();
    expect([code, report]).toEqual([
      1,
      expect.objectContaining({
        state: 'failed',
        code: 'host-key-unknown',
        message: expect.stringContaining(fingerprint),
        remedy: expect.stringContaining('ssh-keygen -lf'),
      }),
    ]);
  });

  it('another key than the known one is refused, also when all others are right', async () => {
    const [other] = fleet;
    const text = await readFile(lab.knownHosts, 'utf8');
    const foreign = text.split('\n').find((line) => line.includes(`:${other?.port} `));
    const changed = await secret(
      'changed',
      foreign?.replace(`${other?.port}`, `${host.port}`) ?? '',
    );
    expect((await one(host, ['--known-hosts', changed, '--dry-run'])).host).toMatchObject({
      state: 'failed',
      code: 'host-key-changed',
    });
  });

  it('a fingerprint that is given, or a hashed line, lets it through', async () => {
    const { fingerprint, line } = await keyWords();
    const empty = await secret('nobody', '# none');
    const given = ['--known-hosts', empty, '--host-key-fingerprint', fingerprint, '--dry-run'];
    expect((await one(host, given)).host).toMatchObject({ state: 'ready', name: 'keyed' });
    const hashed = await secret('hashed', line);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', hashed], { stdio: 'ignore' });
    expect(await readFile(hashed, 'utf8')).toMatch(/^\|1\|/);
    expect((await one(host, ['--known-hosts', hashed, '--dry-run'])).host).toMatchObject({
      state: 'ready',
    });
  });
});

describe('node preflight', () => {
  const preflight = async (targets: readonly string[], ...args: string[]) => {
    const reach = ['--identity', lab.keyFile, '--known-hosts', lab.knownHosts];
    return product.cli(['node', 'preflight', ...targets, ...reach, ...args], {
      env: { SSH_AUTH_SOCK: '' },
    });
  };

  it('finds nothing that keeps out a host which is in, and changes nothing there', async () => {
    const [host] = fleet;
    const { code, stdout } = await preflight([`root@127.0.0.1:${host?.port}`], '--all');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^root@127\.0\.0\.1:\d+: \d+ checks, 0 failed, \d+ to be known\n/,
      ),
    });
    expect(stdout).toMatch(/^ {2}ok {6}route: 127\.0\.0\.1 port \d+ answers/m);
  });

  it('says what is amiss on each of several, with the remedy, one that does not answer included', async () => {
    const bare = await lab.start({ name: 'no-kernel' });
    await bare.run('echo lockdown,capability >/sys/kernel/security/lsm');
    const targets = [`root@127.0.0.1:${bare.port}`, 'root@127.0.0.1:1'];
    const { code, stdout, stderr } = await preflight(targets, '--json');
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { findings: readonly Finding[] });
    expect(first?.findings).toContainEqual(
      expect.objectContaining({ check: 'lsm', verdict: 'failed', remedy: expect.any(String) }),
    );
    expect(second?.findings).toEqual([
      expect.objectContaining({ check: 'unreachable', verdict: 'failed' }),
    ]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('2 of 2 hosts cannot be a host')]);
  });
});

describe('each cause has its code and its remedy', () => {
  const causes: readonly (readonly [string, string, string])[] = [
    ['no-systemd', 'no-systemd', 'rmdir /run/systemd/system'],
    ['no-lsm', 'no-lsm', 'echo lockdown,capability >/sys/kernel/security/lsm'],
    [
      'late',
      'clock-skew',
      // Node's clock is the machine's: the stand-in is what a shell sees.
      `mv /usr/bin/date /usr/bin/date.real; printf '#!/bin/sh\\ncase "$*" in *-d*) exec date.real "$@" ;; *+%%s*) echo $(($(date.real +%%s) - 172800)) ;; *) exec date.real "$@" ;; esac\\n' >/usr/bin/date; chmod 755 /usr/bin/date`,
    ],
    ['full', 'disk-full', 'mount -t tmpfs -o size=4m tmpfs /var/lib'],
    ['filling', 'disk-full', 'mount -t tmpfs -o size=256k tmpfs /var/cache'],
    ['read-only', 'read-only', 'mount --bind /etc /etc; mount -o remount,ro,bind /etc'],
    [
      'ours',
      'enrolled-elsewhere',
      `mkdir -p /var/lib/hostward/trust; printf '%064d\\n' 7 >/var/lib/hostward/trust/node-id`,
    ],
  ];

  it('all of them in one run, and none keeps a good host', async () => {
    const bad = await Promise.all(causes.map(([name, , prepare]) => lab.start({ name, prepare })));
    const good = await lab.start({ name: 'good' });
    const { code, hosts } = await bootstrap([...bad, good]);
    expect(code).toBe(1);
    expect(hosts.map(({ state, code }) => code ?? state)).toEqual([
      ...causes.map(([, code]) => code),
      'enrolled',
    ]);
    for (const { remedy } of hosts.slice(0, -1)) expect(remedy).toMatch(/.{10}/);
    const left = await Promise.all(
      bad.map((host) => host.run('ls -d /usr/lib/hostward /etc/hostward 2>/dev/null')),
    );
    expect(left.map(({ stdout }) => stdout)).toEqual(bad.map(() => ''));
  });

  it('nobody there, no way back, a wrong architecture, a name that is taken', async () => {
    const host = await lab.start({ name: 'ways' });
    const gone = await lab.start({ name: 'gone' });
    await gone.stop();
    expect((await one(gone)).host).toMatchObject({ code: 'unreachable' });
    const back = await one(host, ['--control-plane', 'https://127.0.0.1:1', '--dry-run']);
    expect(back.host).toMatchObject({ code: 'no-route-back' });
    const arm = join(folder, 'hostward-agent_0.0.0_linux-arm64.tar.gz');
    await writeFile(arm, 'x');
    const key = ['--identity', lab.keyFile];
    const common = ['--json', '--known-hosts', lab.knownHosts, '--package', arm, ...key];
    const foreign = await product.cli(['bootstrap', `root@127.0.0.1:${host.port}`, ...common]);
    expect(reportsOf(foreign)[0]).toMatchObject({ code: 'architecture' });
    const inventory = join(folder, 'inventory');
    await writeFile(inventory, `# one host\nroot@127.0.0.1:${host.port} name=host-01\n`);
    const taken = await product.cli([
      ...['bootstrap', '--inventory', inventory, '--json', '--known-hosts', lab.knownHosts],
      ...['--package', packageFile(), ...key],
    ]);
    expect(reportsOf(taken)[0]).toMatchObject({ code: 'name-taken', name: 'host-01' });
    await writeFile(inventory, `root@127.0.0.1:${host.port} name=Wrong_Name\n`);
    const odd = await product.cli([
      ...['bootstrap', '--inventory', inventory, '--json', '--known-hosts', lab.knownHosts],
      ...['--package', packageFile(), ...key],
    ]);
    expect(reportsOf(odd)[0]).toMatchObject({ code: 'name-refused' });
  });

  it('a package that is not the one of its sums is refused before a host is asked', async () => {
    const bad = join(folder, 'bad');
    await mkdir(bad, { recursive: true });
    await copyFile(join(release.dir, 'SHA256SUMS'), join(bad, 'SHA256SUMS'));
    await writeFile(join(bad, release.file), 'tampered');
    const [host] = fleet;
    const args = ['--package', join(bad, release.file)];
    const result = await product.cli(['bootstrap', `root@127.0.0.1:${host?.port}`, ...args]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('is not the package that');
  });
});

describe('ways to log in and to become root', () => {
  it('a password, sudo with it, a bastion; wrong ones are told apart', async () => {
    const may = `echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/deploy`;
    const free = `echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy`;
    const [asks, open, none] = await Promise.all([
      lab.start({ name: 'sudo-asks', prepare: may }),
      lab.start({ name: 'sudo-free', prepare: free }),
      lab.start({ name: 'sudo-none' }),
    ]);
    const right = await secret('password', SimulatedHosts.deployPassword);
    const wrong = await secret('wrong', 'not-the-password');
    const deploy = { user: 'deploy', key: [] };
    expect((await one(asks, ['--password-file', wrong], deploy)).host).toMatchObject({
      code: 'auth-failed',
    });
    const keyed = { user: 'deploy' };
    expect((await one(asks, ['--sudo-password-file', wrong], keyed)).host).toMatchObject({
      code: 'sudo-failed',
    });
    const password = ['--password-file', right];
    const run = await bootstrap([asks, none, open], password, deploy);
    expect(run.hosts.map(({ state, code }) => code ?? state)).toEqual([
      'enrolled',
      'sudo-failed',
      'enrolled',
    ]);
    // The bastion's own login is checked like any other.
    const jump = ['--jump', `deploy@127.0.0.1:${asks.port}`];
    const through = await bootstrap([open], [...password, ...jump], deploy);
    expect(through.hosts[0]).toMatchObject({ state: 'unchanged', name: 'sudo-free' });
    expect(through.hosts[0]).not.toHaveProperty('sentBytes');
    const empty = await secret('nobody', '# none');
    const unknown = await bootstrap([open], [...password, ...jump, '--known-hosts', empty], deploy);
    expect(unknown.hosts[0]).toMatchObject({ code: 'host-key-unknown' });
  });

  it('a key that only an ssh-agent has, also through a bastion; without it nothing lets one in', async () => {
    const sshd = 'PasswordAuthentication no\n';
    const [host, bastion] = await Promise.all([
      lab.start({ name: 'keys-alone', sshd }),
      lab.start({ name: 'keys-bastion', sshd }),
    ]);
    const agent = await SshAgent.start(folder, lab.keyFile);
    try {
      const held = { key: [], agent: agent.socket };
      expect((await one(host, [], held)).host).toMatchObject({ state: 'enrolled' });
      const through = ['--jump', `root@127.0.0.1:${bastion.port}`];
      expect((await one(host, through, held)).host).toMatchObject({ state: 'unchanged' });
    } finally {
      await agent.end();
    }
    const none = { key: [] };
    expect((await one(host, ['--dry-run'], none)).host).toMatchObject({ code: 'auth-failed' });
  });

  it('a password that sshd asks for by keyboard-interactive alone; a wrong one is told', async () => {
    const prepare = `${BY_KEYBOARD.prepare}; echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/deploy`;
    const host = await lab.start({ ...BY_KEYBOARD, name: 'keyboard', prepare });
    const deploy = { user: 'deploy', key: [] };
    const wrong = ['--password-file', await secret('not-it', 'not-the-password')];
    expect((await one(host, wrong, deploy)).host).toMatchObject({ code: 'auth-failed' });
    const right = ['--password-file', await secret('it', SimulatedHosts.deployPassword)];
    expect((await one(host, right, deploy)).host).toMatchObject({ state: 'enrolled' });
    // Whoever left a desktop has a variable that leads to no ssh-agent: every other way is tried.
    const stale = { ...deploy, agent: join(folder, 'no-agent.sock') };
    expect((await one(host, right, stale)).host).toMatchObject({ state: 'unchanged' });
  });

  it('a password file that others may read is none', async () => {
    const file = await secret('open', 'password');
    await chmod(file, 0o644);
    const [host] = fleet;
    const args = ['bootstrap', `root@127.0.0.1:${host?.port}`, '--package', packageFile()];
    const result = await product.cli([...args, '--password-file', file]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('chmod 600') });
  });
});

describe('a run that is broken off', () => {
  it('in the middle of the installation goes on where it was', async () => {
    const host = await lab.start({
      name: 'dies',
      prepare: `cat >/usr/local/bin/tar <<'END'
#!/bin/sh
if [ ! -e /var/died ]; then
  : >/var/died
  pid=$$
  while [ "$(cat /proc/$pid/comm)" != sshd-session ]; do pid=$(awk '{ print $4 }' /proc/$pid/stat); done
  kill -9 "$pid"
  exit 1
fi
exec /usr/bin/tar "$@"
END
chmod 755 /usr/local/bin/tar`,
    });
    expect((await one(host)).host).toMatchObject({ state: 'failed', code: 'connection-lost' });
    const again = await one(host);
    expect(again.host).toMatchObject({ state: 'enrolled', name: 'dies' });
    expect(again.host?.sentBytes).toBeLessThan(release.bytes / 2);
  });

  it('in the middle of the package sends the rest; a rest that does not fit is never run', async () => {
    const content = await readFile(packageFile());
    const sha256 = createHash('sha256').update(content).digest('hex');
    const half = content.subarray(0, Math.floor(content.length / 2)).toString('base64');
    const part = `mkdir -p ${PART}; base64 -d >${PART}/${sha256}.part`;
    const [whole, torn] = await Promise.all([
      lab.start({ name: 'half' }),
      lab.start({ name: 'torn' }),
    ]);
    await whole.run(part, half);
    await torn.run(part, `AAAA${half.slice(4)}`);
    const { hosts } = await bootstrap([whole, torn]);
    expect(hosts).toEqual([
      expect.objectContaining({ state: 'enrolled', name: 'half' }),
      expect.objectContaining({ state: 'failed', code: 'package-damaged' }),
    ]);
    expect(hosts[0]?.sentBytes).toBeLessThan(release.bytes * 0.75);
    expect((await torn.run(`ls ${PART} /usr/lib/hostward 2>&1`)).stdout).not.toMatch(/part|agent/);
    expect((await one(torn)).host).toMatchObject({ state: 'enrolled' });
  });
});

describe('the install script', () => {
  async function scriptFor(name: string, ...args: string[]): Promise<string> {
    return (await product.must(['vm', 'getscript', name, ...args])).stdout;
  }

  it('makes a host of the machine that it is piped into, once; its token is nowhere after', async () => {
    const [host, second] = await Promise.all([
      lab.start({ name: 'scripted', prepare: 'mv /usr/bin/dpkg /usr/bin/dpkg.away' }),
      lab.start({ name: 'scripted-2', prepare: 'mv /usr/bin/dpkg /usr/bin/dpkg.away' }),
    ]);
    const script = await scriptFor('scripted', '--labels', 'env=script');
    const done = await host.run(
      'umask 077; cat >/root-script.sh; cd /; dash /root-script.sh',
      script,
    );
    await host.run('rm -f /root-script.sh');
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining('scripted has joined')]);
    const found = (await nodes()).find(({ name }) => name === 'scripted');
    expect(found).toMatchObject({ phase: 'enrolled', labels: { env: 'script' } });
    const { stdout } = await host.run(
      `ls /root-script.sh /var/tmp/hostward.* 2>/dev/null; grep -rlE '${TOKEN_FORM}' /etc /var /run`,
    );
    expect(stdout).toBe('');
    await host.run('rm /run/systemd/active-hostward-agent.service; : >/run/systemd/calls');
    const again = await host.run('dash -s', script);
    expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/joined .* before\n$/)]);
    expect(
      (await host.run('dash -s; cat /run/systemd/calls', script)).stdout.match(/restart/g),
    ).toHaveLength(1);
    // Broken off between its enrolment and the configuration: another run ends it.
    await host.run('cd /etc/hostward; mv agent.yaml agent.yaml.new; echo other >agent.yaml');
    expect((await host.run('dash -s', script)).stderr).toMatch(/joined .* before\n$/);
    const kept = await host.run('cd /etc/hostward; cat agent.yaml; ls');
    expect(kept.stdout).toMatch(/caFingerprint.*\nagent\.yaml\nagent\.yaml\.before\n$/s);
    // Where it has followed a replacement of the CA, its configuration has the fingerprint of before.
    const trusted =
      'sed -i s/caFingerprint:.*/old/ /etc/hostward/agent.yaml; cd /var/lib/hostward/agent; rm ca.pinned';
    await host.run(trusted);
    expect((await host.run('dash -s', script)).stderr).toMatch(/joined .* before\n$/);
    const { caFingerprint } = await product.record();
    const files =
      'cd /; find etc/hostward usr/lib/hostward var/lib/hostward -type f | xargs sha256sum';
    const before = (await host.run(files)).stdout;
    const foreign = await host.run('dash -s', script.replaceAll(caFingerprint, 'ab'.repeat(32)));
    expect([foreign.code, foreign.stderr]).toEqual([
      1,
      expect.stringContaining('error enrolled-elsewhere'),
    ]);
    expect((await host.run(files)).stdout).toBe(before);
    const spent = await second.run('dash -s', script);
    expect([spent.code, spent.stderr]).toEqual([1, expect.stringContaining('error token-refused')]);
  });

  it('does nothing where CA, clock, package or signature is not the one it carries', async () => {
    const prepare = 'mv /usr/bin/dpkg /usr/bin/dpkg.away';
    const host = await lab.start({ name: 'wary', prepare });
    const script = await scriptFor('wary');
    const { caFingerprint } = await product.record();
    const other = script.replaceAll(caFingerprint, 'ab'.repeat(32));
    expect((await host.run('dash -s', other)).stderr).toContain('error ca-not-pinned');
    const late = script.replace(/expires='\d{4}/, "expires='2001");
    expect((await host.run('dash -s', late)).stderr).toContain('error token-refused');
    const key = script.replace(/MCowBQYDK2VwAyEA.{6}/, 'MCowBQYDK2VwAyEAAAAAAA');
    expect((await host.run('dash -s', key)).stderr).toContain('error package-damaged');
    const content = await readFile(packageFile());
    await writeFile(packageFile(), Buffer.concat([content.subarray(0, -1), Buffer.from('!')]));
    try {
      expect((await host.run('dash -s', script)).stderr).toContain('does not have its sum');
    } finally {
      await writeFile(packageFile(), content);
    }
    const { stdout } = await host.run(
      'ls -d /usr/lib/hostward /etc/hostward /var/tmp/hostward.* 2>/dev/null',
    );
    expect(stdout).toBe('');
    expect((await nodes()).find(({ name }) => name === 'wary')).toBeUndefined();
  });

  it('is refused by the control plane where the packages are not what was signed', async () => {
    const sums = join(release.dir, 'SHA256SUMS');
    const text = await readFile(sums, 'utf8');
    await writeFile(
      sums,
      text.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    );
    try {
      const result = await product.cli(['vm', 'getscript', 'web9']);
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toContain('not signed by');
    } finally {
      await writeFile(sums, text);
    }
  });

  it('comes as user-data of cloud-init, of which no copy keeps the token', async () => {
    const prepare = 'mv /usr/bin/dpkg /usr/bin/dpkg.away';
    const host = await lab.start({ name: 'cloudy', prepare });
    const userData = await scriptFor('cloudy', '--cloud-init');
    const { write_files: files, runcmd } = parse(userData) as {
      write_files: readonly { path: string; permissions: string; content: string }[];
      runcmd: readonly (readonly string[])[];
    };
    for (const { path, permissions, content } of files)
      await host.run(`cat >'${path}' && chmod ${permissions} '${path}'`, content);
    const kept = '/var/lib/cloud/instance/user-data.txt';
    await host.run(`mkdir -p /var/lib/cloud/instance && cat >${kept}`, userData);
    const done = await host.run(runcmd.map((words) => words.join(' ')).join('\n'));
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining('cloudy has joined')]);
    const { stdout } = await host.run(
      `ls ${files.map(({ path }) => path).join(' ')} 2>/dev/null; grep -rlE '${TOKEN_FORM}' /etc /var /run; wc -c <${kept}`,
    );
    expect(stdout.trim()).toBe(String(Buffer.byteLength(userData)));
  });
});

describe('at a terminal', () => {
  const atTerminal = (...args: readonly string[]): Terminal =>
    new Terminal(args, { XDG_CONFIG_HOME: product.configHome, SSH_AUTH_SOCK: '', HOME: folder });

  it('a host key is asked about after the password, and kept by a yes', async () => {
    const host = await lab.start({ name: 'asked' });
    const known = await secret('kept', '# none');
    const reach = [`deploy@127.0.0.1:${host.port}`, '--ask-password', '--known-hosts', known];
    const terminal = atTerminal('node', 'preflight', ...reach);
    await terminal.shows('password: ');
    terminal.type(`${SimulatedHosts.deployPassword}\r`);
    await terminal.shows('[y/N] ');
    terminal.type('yes\r');
    await terminal.shows(' checks, ');
    await terminal.ended;
    expect(await readFile(known, 'utf8')).toContain(`[127.0.0.1]:${host.port} `);
  });

  it('Ctrl-C at that question breaks off the whole run, and the report tells of each host', async () => {
    const hangs = `printf '#!/bin/sh\\n: >/var/hangs; exec sleep 600\\n' >/usr/local/bin/tar; chmod 755 /usr/local/bin/tar`;
    const [slow, asked] = await Promise.all([
      lab.start({ name: 'slow', prepare: hangs }),
      lab.start({ name: 'not-known' }),
    ]);
    const lines = (await readFile(lab.knownHosts, 'utf8')).split('\n');
    const known = await secret(
      'all-but-one',
      lines.filter((line) => !line.includes(`:${asked.port} `)).join('\n'),
    );
    const before = await tokens();
    const targets = [slow, asked].map(({ port }) => `root@127.0.0.1:${port}`);
    const reach = ['--identity', lab.keyFile, '--known-hosts', known, '--package', packageFile()];
    const terminal = atTerminal('bootstrap', ...targets, ...reach);
    await terminal.shows('[y/N] ');
    await eventually('the other one installs', MINUTE, async () =>
      (await slow.run('ls /var/hangs')).stdout.includes('hangs'),
    );
    terminal.type('\u0003');
    const code = await terminal.ended;
    const told = targets.map((each) => terminal.shown.includes(`\n${each}: interrupted: `));
    expect({ code, told, shown: terminal.shown }).toEqual({
      code: 1,
      told: [true, true],
      shown: expect.stringContaining('2 of 2 hosts did not come in'),
    });
    expect(await tokens()).toEqual(before);
  });
});

describe('a caller who may not make a join token', () => {
  it('has a report of each host, with what is lacking', async () => {
    const viewer = [
      'create',
      'api-token',
      'viewer',
      '--role',
      'viewer',
      '--ttl',
      '1h',
      '-o',
      'name',
    ];
    const env = { HOSTWARD_TOKEN: (await product.must(viewer)).stdout.trim(), SSH_AUTH_SOCK: '' };
    const [first] = fleet;
    const host = await lab.start({ name: 'refused' });
    const targets = [first, host].map((each) => `root@127.0.0.1:${each?.port}`);
    const reach = ['--identity', lab.keyFile, '--known-hosts', lab.knownHosts];
    const args = [...targets, ...reach, '--package', packageFile(), '--json', '--concurrency=1'];
    const result = await product.cli(['bootstrap', ...args], { timeoutMs: 4 * MINUTE, env });
    expect(reportsOf(result).at(-1)).toMatchObject({
      ...{ state: 'failed', code: 'unforeseen' },
      ...{
        message: expect.stringContaining('tokens:write'),
        remedy: expect.stringMatching(/whoami/),
      },
    });
  });
});

describe('packages', () => {
  it('are told and sent to anybody, and nothing else of the folder is', async () => {
    const rest = await product.rest();
    const list = await rest.get('/v1/packages', { token: null });
    expect([list.status, list.body['items']]).toEqual([
      200,
      [{ file: release.file, sha256: expect.any(String), bytes: release.bytes }],
    ]);
    await writeFile(join(release.dir, 'secret.txt'), 'not a package');
    const statuses = await Promise.all(
      ['SHA256SUMS', 'secret.txt', '..%2Fdata', '%2e%2e', 'release.pub.pem', release.file].map(
        async (file) => (await rest.get(`/v1/packages/${file}`, { token: null })).status,
      ),
    );
    expect(statuses).toEqual([200, 404, 404, 404, 200, 200]);
  });
});
