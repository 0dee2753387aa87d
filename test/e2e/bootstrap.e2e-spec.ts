import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Finding, AuditLogEntryView } from '#contracts';
import type { SimulatedHost } from '#testing';
import { BootstrapRig, reportsOf, TOKEN_FORM } from './support/bootstrap-rig.js';

const MINUTE = 60_000;
/** Each costs about a second; the fifty in the long size. */
const FLEET = process.env['HOSTWARD_FULL'] === '1' ? 50 : 12;
const PART = '/var/cache/hostward-bootstrap';

jest.setTimeout(5 * MINUTE);

let rig: BootstrapRig;
let fleet: readonly SimulatedHost[];

beforeAll(async () => {
  rig = await BootstrapRig.start();
  const names = Array.from({ length: FLEET }, (_, i) => `host-${String(i + 1).padStart(2, '0')}`);
  fleet = await Promise.all(names.map((name) => rig.lab.start({ name })));
}, 10 * MINUTE);

afterAll(() => rig?.close());

async function tokensEverMade(): Promise<number> {
  const { body } = await (await rig.product.rest()).get('/v1/audit-log?limit=500');
  const items = body['items'] as unknown as readonly AuditLogEntryView[];
  return items.filter(({ action }) => action === 'join-token.created').length;
}

describe('a fleet of hosts', () => {
  let names: readonly string[];

  it('come in by one command, with the labels, over one join token that is gone after', async () => {
    names = fleet.map(({ name }) => name);
    const before = await tokensEverMade();
    const { code, stderr, hosts } = await rig.bootstrap(fleet, ['--labels', 'env=prod,tier=web']);
    expect(hosts.filter(({ state }) => state !== 'enrolled')).toEqual([]);
    expect([code, hosts.map(({ name }) => name)]).toEqual([0, names]);
    expect(stderr).toContain('sending');
    const known = await rig.nodes();
    expect(known.map(({ name }) => name)).toEqual(names);
    expect(known.every(({ labels }) => labels['env'] === 'prod' && labels['tier'] === 'web')).toBe(
      true,
    );
    expect(new Map(hosts.map(({ name, nodeId }) => [name, nodeId]))).toEqual(
      new Map(known.map(({ name, nodeId }) => [name, nodeId])),
    );
    expect([(await tokensEverMade()) - before, await rig.tokens()]).toEqual([1, []]);
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
    const { code, hosts } = await rig.bootstrap(fleet, ['--labels', 'env=prod,tier=web']);
    expect([code, new Set(hosts.map(({ state }) => state))]).toEqual([0, new Set(['unchanged'])]);
    expect(Math.max(...hosts.map(({ sentBytes = 0 }) => sentBytes))).toBeLessThan(20_000);
    expect(await tokensEverMade()).toBe(before);
  });

  it('keep the enforcer of their configuration: another one is refused, by a dry run too', async () => {
    const [host] = fleet;
    if (host === undefined) throw new Error('there is no host');
    for (const more of [[], ['--dry-run']])
      expect(await rig.one(host, ['--enforcer', 'observe', ...more])).toMatchObject({
        code: 1,
        host: { state: 'failed', code: 'enforcer-differs', remedy: expect.any(String) },
      });
    expect((await rig.one(host, ['--enforcer', 'auto'])).host).toMatchObject({
      state: 'unchanged',
    });
  });

  it('are started again where their services do not run', async () => {
    const [host] = fleet;
    if (host === undefined) throw new Error('there is no host');
    await host.run('rm /run/systemd/active-hostward-agent.service');
    expect((await rig.one(host)).host).toMatchObject({ state: 'started', name: host.name });
    expect((await rig.one(host)).host).toMatchObject({ state: 'unchanged' });
  });
});

describe('node preflight', () => {
  const preflight = async (targets: readonly string[], ...args: string[]) => {
    const reach = ['--identity', rig.lab.keyFile, '--known-hosts', rig.lab.knownHosts];
    return rig.product.cli(['node', 'preflight', ...targets, ...reach, ...args], {
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
    const bare = await rig.lab.start({ name: 'no-kernel' });
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
    const bad = await Promise.all(
      causes.map(([name, , prepare]) => rig.lab.start({ name, prepare })),
    );
    const good = await rig.lab.start({ name: 'good' });
    const { code, hosts } = await rig.bootstrap([...bad, good]);
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
    const host = await rig.lab.start({ name: 'ways' });
    const gone = await rig.lab.start({ name: 'gone' });
    await gone.stop();
    expect((await rig.one(gone)).host).toMatchObject({ code: 'unreachable' });
    const back = await rig.one(host, ['--control-plane', 'https://127.0.0.1:1', '--dry-run']);
    expect(back.host).toMatchObject({ code: 'no-route-back' });
    const arm = join(rig.folder, 'hostward-agent_0.0.0_linux-arm64.tar.gz');
    await writeFile(arm, 'x');
    const key = ['--identity', rig.lab.keyFile];
    const common = ['--json', '--known-hosts', rig.lab.knownHosts, '--package', arm, ...key];
    const foreign = await rig.product.cli(['bootstrap', `root@127.0.0.1:${host.port}`, ...common]);
    expect(reportsOf(foreign)[0]).toMatchObject({ code: 'architecture' });
    const inventory = join(rig.folder, 'inventory');
    await writeFile(inventory, `# one host\nroot@127.0.0.1:${host.port} name=host-01\n`);
    const taken = await rig.product.cli([
      ...['bootstrap', '--inventory', inventory, '--json', '--known-hosts', rig.lab.knownHosts],
      ...['--package', rig.packageFile, ...key],
    ]);
    expect(reportsOf(taken)[0]).toMatchObject({ code: 'name-taken', name: 'host-01' });
    await writeFile(inventory, `root@127.0.0.1:${host.port} name=Wrong_Name\n`);
    const odd = await rig.product.cli([
      ...['bootstrap', '--inventory', inventory, '--json', '--known-hosts', rig.lab.knownHosts],
      ...['--package', rig.packageFile, ...key],
    ]);
    expect(reportsOf(odd)[0]).toMatchObject({ code: 'name-refused' });
  });

  it('a package that is not the one of its sums is refused before a host is asked', async () => {
    const bad = join(rig.folder, 'bad');
    await mkdir(bad, { recursive: true });
    await copyFile(join(rig.release.dir, 'SHA256SUMS'), join(bad, 'SHA256SUMS'));
    await writeFile(join(bad, rig.release.file), 'tampered');
    const [host] = fleet;
    const args = ['--package', join(bad, rig.release.file)];
    const result = await rig.product.cli(['bootstrap', `root@127.0.0.1:${host?.port}`, ...args]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('is not the package that');
  });
});

describe('a run that is broken off', () => {
  it('in the middle of the installation goes on where it was', async () => {
    const host = await rig.lab.start({
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
    expect((await rig.one(host)).host).toMatchObject({ state: 'failed', code: 'connection-lost' });
    const again = await rig.one(host);
    expect(again.host).toMatchObject({ state: 'enrolled', name: 'dies' });
    expect(again.host?.sentBytes).toBeLessThan(rig.release.bytes / 2);
  });

  it('in the middle of the package sends the rest; a rest that does not fit is never run', async () => {
    const content = await readFile(rig.packageFile);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const half = content.subarray(0, Math.floor(content.length / 2)).toString('base64');
    const part = `mkdir -p ${PART}; base64 -d >${PART}/${sha256}.part`;
    const [whole, torn] = await Promise.all([
      rig.lab.start({ name: 'half' }),
      rig.lab.start({ name: 'torn' }),
    ]);
    await whole.run(part, half);
    await torn.run(part, `AAAA${half.slice(4)}`);
    const { hosts } = await rig.bootstrap([whole, torn]);
    expect(hosts).toEqual([
      expect.objectContaining({ state: 'enrolled', name: 'half' }),
      expect.objectContaining({ state: 'failed', code: 'package-damaged' }),
    ]);
    expect(hosts[0]?.sentBytes).toBeLessThan(rig.release.bytes * 0.75);
    expect((await torn.run(`ls ${PART} /usr/lib/hostward 2>&1`)).stdout).not.toMatch(/part|agent/);
    expect((await rig.one(torn)).host).toMatchObject({ state: 'enrolled' });
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
    const env = {
      HOSTWARD_TOKEN: (await rig.product.must(viewer)).stdout.trim(),
      SSH_AUTH_SOCK: '',
    };
    const [first] = fleet;
    const host = await rig.lab.start({ name: 'refused' });
    const targets = [first, host].map((each) => `root@127.0.0.1:${each?.port}`);
    const reach = ['--identity', rig.lab.keyFile, '--known-hosts', rig.lab.knownHosts];
    const args = [...targets, ...reach, '--package', rig.packageFile, '--json', '--concurrency=1'];
    const result = await rig.product.cli(['bootstrap', ...args], { timeoutMs: 4 * MINUTE, env });
    expect(reportsOf(result).at(-1)).toMatchObject({
      ...{ state: 'failed', code: 'unforeseen' },
      ...{
        message: expect.stringContaining('tokens:write'),
        remedy: expect.stringMatching(/whoami/),
      },
    });
  });
});
