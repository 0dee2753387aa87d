import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Lab, type Vm } from '#testing';
import { attribute } from './attribute.js';
import { compileRuleSet } from './compile.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';
import { EXEMPT_ATTACHMENTS } from './apparmor/leaving.js';
import { sourceProfileName } from './resolve/names.js';
import type { Compilation, Denial } from './plan/types.js';

/** What the compiled profiles do on a real kernel: the cases of D9, each with what must still work. */
const FEATURES = '/sys/kernel/security/apparmor/features';
const from = (path: string): { readonly fromSource: readonly { readonly path: string }[] } => ({
  fromSource: [{ path }],
});

const RULES = ruleSet(
  policy('secret', { file: { matchPaths: [{ path: '/srv/secret' }] } }),
  policy('sleep', { process: { matchPaths: [{ path: '/bin/sleep' }] } }),
  policy('scoped', {
    file: {
      matchPaths: ['/opt/t/reader', '/opt/t/foreign'].map((path) => ({
        path: '/srv/scoped',
        ...from(path),
      })),
    },
  }),
  policy('read-only', {
    file: { matchDirectories: [{ dir: '/opt/ro/', recursive: true, readOnly: true }] },
  }),
  policy('writer', {
    file: {
      matchDirectories: [
        { dir: '/opt/ro/', recursive: true, action: 'Allow', ...from('/opt/t/writer') },
      ],
    },
  }),
  policy('nested', {
    file: {
      matchDirectories: [
        { dir: '/srv/tree/', recursive: true },
        { dir: '/srv/tree/ok/', recursive: true, action: 'Allow' },
      ],
    },
  }),
  policy('net', { network: { matchProtocols: [{ protocol: 'tcp', ...from('/opt/t/shell') }] } }),
  policy('caps', {
    capabilities: { matchCapabilities: [{ capability: 'chown', ...from('/opt/t/chown') }] },
  }),
  policy(
    'list',
    {
      process: { matchPaths: [{ path: '/usr/bin/id', action: 'Allow', ...from('/opt/t/lister') }] },
    },
    { 'hostward.io/posture': 'block' },
  ),
  policy('pkg', { process: { matchPaths: [{ path: '/usr/bin/hw-blocked' }] } }),
);

const SETUP = `set -e
mkdir -p /opt/t /opt/ro /srv/tree/ok /tmp/pkg/DEBIAN /tmp/pkg/usr/bin
for f in /srv/secret /srv/scoped /srv/tree/a /srv/tree/ok/a /opt/ro/x; do echo data > $f; done
for p in reader foreign own free; do cp /usr/bin/cat /opt/t/$p; done
cp /usr/bin/tee /opt/t/writer; cp /usr/bin/bash /opt/t/shell; cp /usr/bin/bash /opt/t/lister; cp /usr/bin/chown /opt/t/chown
cat > /tmp/foreign.aa <<'X'
profile t_own /opt/t/own flags=(attach_disconnected) { file, capability, network, signal, ptrace, unix, change_profile, }
profile t_free /opt/t/free flags=(unconfined) { }
profile docker-default { file, signal, unix, capability, network, }
profile t_foreign /opt/t/foreign { file, signal, unix, deny /srv/tree/ok/a r, }
X
apparmor_parser -r /tmp/foreign.aa ${Object.keys(EXEMPT_ATTACHMENTS)
  .map((name) => `/tmp/${name}`)
  .join(' ')}
mkdir -p /usr/lib/hostward; cp /usr/bin/cat /usr/lib/hostward/hostward-sensor
for p in containerd runc podman; do cp /usr/bin/python3 /usr/local/bin/$p; done
cp /usr/bin/cat /usr/local/bin/hook
id -u someone >/dev/null 2>&1 || useradd someone
printf 'Package: hw-test\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.org>\\nDescription: t\\n' > /tmp/pkg/DEBIAN/control
printf '#!/bin/sh\\necho one\\n' > /tmp/pkg/usr/bin/hw-blocked; chmod 755 /tmp/pkg/usr/bin/hw-blocked
dpkg-deb -b /tmp/pkg /tmp/one.deb >/dev/null
sed -i 's/Version: 1/Version: 2/' /tmp/pkg/DEBIAN/control; echo '# two' >> /tmp/pkg/usr/bin/hw-blocked
dpkg-deb -b /tmp/pkg /tmp/two.deb >/dev/null
dpkg -i /tmp/one.deb >/dev/null`;

let lab: Lab;
let vm: Vm;
let compilation: Compilation;

beforeAll(async () => {
  lab = await Lab.open();
  vm = await lab.vm({ name: 'kernel' });
  for (const name of Object.keys(EXEMPT_ATTACHMENTS)) {
    const profile = new URL(`../../sensor/native/apparmor/${name}`, import.meta.url);
    await vm.writeFile(`/tmp/${name}`, readFileSync(profile, 'utf8'));
  }
  await vm.writeFile('/tmp/container.py', CONTAINER);
  await vm.ssh(SETUP, { timeoutMs: 120_000 });
  compilation = compileRuleSet(
    RULES,
    debian({ attached: (program) => (program === '/opt/t/foreign' ? 't_foreign' : undefined) }),
  );
  await load('enforce');
}, 600_000);

afterAll(async () => {
  await lab.close();
}, 60_000);

async function load(variant: keyof Compilation['texts']): Promise<void> {
  await vm.writeFile('/tmp/hostward.aa', compilation.texts[variant]);
  await vm.ssh(`apparmor_parser -r -K --config-file=/dev/null -M ${FEATURES} /tmp/hostward.aa`, {
    timeoutMs: 120_000,
  });
}

const RUN = 'systemd-run --quiet --wait --pipe';

function asUser(command: string): string {
  return `setpriv --reuid=someone --regid=someone --clear-groups ${command}`;
}

/** The end of a command: ok, denied (EACCES), or what it said. */
async function outcome(command: string): Promise<string> {
  const { code, stdout, stderr } = await vm.ssh(`export LC_ALL=C; ${command}`, {
    allowFailure: true,
  });
  if (code === 0) return 'ok';
  return /Permission denied/.test(stdout + stderr) ? 'denied' : `${code}: ${stdout}${stderr}`;
}

async function label(command: string): Promise<string> {
  return (await vm.ssh(command)).stdout.trim().split('\n').at(-1) ?? '';
}

/** A container runtime as far as AppArmor sees it: a daemon that starts a program that puts a profile on what it starts. */
const CONTAINER = `import ctypes, os, subprocess, sys
if sys.argv[1] == 'daemon':
    sys.exit(subprocess.run(['/usr/local/bin/runc', '/tmp/container.py', *sys.argv[2:]]).returncode)
if sys.argv[1] == 'nnp':
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
if sys.argv[2] != '':
    with open('/proc/self/attr/apparmor/exec', 'w') as attribute:
        attribute.write('exec ' + sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
`;

const LABEL_OF = (program: string): string => `${program} /proc/self/attr/current`;

describe('on a real kernel', () => {
  it.each([
    ['a file that is blocked', 'cat /srv/secret', 'denied'],
    ['a file beside it', 'cat /srv/scoped', 'ok'],
    ['a blocked program by either name', '/bin/sleep 0', 'denied'],
    ['a blocked program by the name the kernel sees', '/usr/bin/sleep 0', 'denied'],
    [
      'a copy of the blocked program by its hard link',
      'ln /usr/bin/sleep /srv/s && /srv/s 0',
      'denied',
    ],
    ['other programs', 'true && id && ls / >/dev/null', 'ok'],
    ['an Allow inside a blocked directory', 'cat /srv/tree/ok/a', 'ok'],
    ['the blocked directory around it', 'cat /srv/tree/a', 'denied'],
    ['writing to a read-only directory', 'echo x > /opt/ro/y', 'denied'],
    ['reading there', 'cat /opt/ro/x', 'ok'],
  ])('%s: %s', async (_, command, expected) => {
    expect(await outcome(command)).toBe(expected);
  });

  it('a source is stacked on the catch-all, and its rule binds it alone', async () => {
    expect(await label(LABEL_OF('/opt/t/reader'))).toBe(
      `hostward//&${sourceProfileName('/opt/t/reader')} (enforce)`,
    );
    expect(await outcome('/opt/t/reader /srv/scoped')).toBe('denied');
    expect(await outcome('/opt/t/reader /srv/secret')).toBe('denied');
    expect(await outcome('/opt/t/reader /etc/hostname')).toBe('ok');
  });

  it('a source under NoNewPrivileges starts, and stays bound', async () => {
    expect(await outcome('setpriv --no-new-privs /opt/t/reader /etc/hostname')).toBe('ok');
    expect(await outcome('setpriv --no-new-privs /opt/t/reader /srv/scoped')).toBe('denied');
  });

  it('a source with an Allow against a general Block leaves the catch-all', async () => {
    expect(await outcome('echo x | /opt/t/writer /opt/ro/z')).toBe('ok');
    expect(await outcome('/opt/t/reader /srv/secret')).toBe('denied');
    expect(await outcome('echo x | /opt/t/writer /srv/secret')).toBe('denied');
  });

  it.each(['own', 'free'])(
    'a program with a profile of its own (%s) is bound by the Block',
    async (program) => {
      expect(await outcome(`/opt/t/${program} /srv/secret`)).toBe('denied');
      expect(await outcome(`/opt/t/${program} /etc/hostname`)).toBe('ok');
      expect(await outcome(`setpriv --no-new-privs /opt/t/${program} /etc/hostname`)).toBe('ok');
    },
  );

  it('a source with a profile that is not ours is bound by both and by the catch-all', async () => {
    const parts = (await label(LABEL_OF('/opt/t/foreign')))
      .replace(/ \(.*$/, '')
      .split('//&')
      .sort();
    expect(parts).toEqual(['hostward', sourceProfileName('/opt/t/foreign'), 't_foreign'].sort());
    expect(await outcome('/opt/t/foreign /srv/scoped')).toBe('denied');
    expect(await outcome('/opt/t/foreign /srv/secret')).toBe('denied');
    expect(await outcome('/opt/t/foreign /srv/tree/ok/a')).toBe('denied');
    expect(await outcome('setpriv --no-new-privs /opt/t/foreign /etc/hostname')).toBe('ok');
  });

  it.each<readonly [string, string, string]>([
    ['AppArmorProfile= with its drop-in', 'AppArmorProfile=hostward//&t_own', 'denied'],
    [
      'NoNewPrivileges and its drop-in',
      'AppArmorProfile=-hostward//&t_own -p NoNewPrivileges=yes',
      'denied',
    ],
    ['AppArmorProfile= as it was', 'AppArmorProfile=t_own', 'ok'],
    ['no drop-in', 'NoNewPrivileges=yes', 'ok'],
    ['unconfined', 'AppArmorProfile=unconfined', 'ok'],
    ['unconfined and NoNewPrivileges', 'AppArmorProfile=unconfined -p NoNewPrivileges=yes', 'ok'],
  ])('a service with %s starts (%s), and what is blocked is %s', async (_, property, expected) => {
    const run = (file: string): string =>
      `systemd-run --quiet --wait --pipe -p ${property.replaceAll('&', '\\&')} /opt/t/own ${file}`;
    expect(await outcome(run('/etc/hostname'))).toBe('ok');
    expect(await outcome(run('/srv/secret'))).toBe(expected);
  });

  it.each([
    'changeprofile unconfined',
    'changeprofile t_free',
    'changeprofile t_own',
    'changeprofile docker-default',
    'changeprofile hostward-sensor',
    'changeprofile hostward-runtime',
    'changeprofile hostward-init',
    'changeprofile :root:unconfined',
    'stack t_own',
    'changeprofile hostward//&t_own',
  ])('an ordinary user stays bound after %s', async (command) => {
    const shell = `printf '${command}' 2>/dev/null > /proc/self/attr/apparmor/current; cat /srv/secret`;
    expect(await outcome(asUser(`bash -c "${shell}"`))).toBe('denied');
    expect(
      await outcome(asUser(`bash -c "${shell.replace('/srv/secret', '/etc/hostname')}"`)),
    ).toBe('ok');
  });

  it.each([
    'aa-exec -p unconfined cat /srv/secret',
    'aa-exec -p t_free cat /srv/secret',
    '/usr/lib/hostward/hostward-sensor /srv/secret',
    `/usr/local/bin/podman /tmp/container.py run unconfined /usr/bin/cat /srv/secret`,
    `/usr/local/bin/containerd /tmp/container.py daemon run unconfined /usr/bin/cat /srv/secret`,
    '/usr/lib/systemd/systemd-executor; cat /srv/secret',
    '/usr/lib/systemd/systemd --version; cat /srv/secret',
  ])('neither a user nor root leaves by %s from a shell', async (command) => {
    for (const line of [asUser(`sh -c '${command}'`), `sh -c '${command}'`]) {
      expect((await vm.ssh(line, { allowFailure: true })).code).not.toBe(0);
      expect(await outcome(line.replace(/unconfined|t_free/, 'hostward'))).toBe('denied');
    }
  });

  it('a source cannot drop its own profile for the catch-all', async () => {
    const label = `hostward//&${sourceProfileName('/opt/t/shell')}`;
    const change = "printf 'changeprofile hostward' 2>/dev/null > /proc/self/attr/apparmor/current";
    const { stdout } = await vm.ssh(
      `/opt/t/shell -c "${change}; read -r label </proc/self/attr/apparmor/current; echo \\$label"`,
    );
    expect(stdout).toContain(label);
  });

  it('the sensor is exempt when systemd starts it, in each variant', async () => {
    for (const variant of ['audit', 'open', 'enforce'] as const) {
      await load(variant);
      const { stdout } = await vm.ssh(
        `${RUN} /usr/lib/hostward/hostward-sensor /proc/self/attr/apparmor/current`,
      );
      expect(stdout).toBe('hostward-sensor (unconfined)\n');
    }
  });

  it.each(['run', 'nnp'])(
    'a container runtime that systemd starts puts its profile on a container (%s)',
    async (mode) => {
      const start = (profile: string, program: string): string =>
        `${RUN} /usr/local/bin/containerd /tmp/container.py daemon ${mode} '${profile}' ${program} /proc/self/attr/apparmor/current`;
      expect((await vm.ssh(start('docker-default', '/usr/bin/cat'))).stdout).toBe(
        'docker-default (enforce)\n',
      );
      expect((await vm.ssh(start('unconfined', '/usr/bin/cat'))).stdout).toBe('unconfined\n');
      expect((await vm.ssh(start('', '/usr/local/bin/hook'))).stdout).toBe('hostward (enforce)\n');
    },
  );

  it.each(['NoNewPrivileges=no', 'NoNewPrivileges=yes', 'User=someone'])(
    'a service is in one profile alone, which the kernel updates while it runs (%s)',
    async (property) => {
      const start = (program: string): string =>
        `${RUN} -p ${property} ${program} /proc/self/attr/current`;
      expect((await vm.ssh(start('cat'))).stdout).toBe('hostward (enforce)\n');
      const source = sourceProfileName('/opt/t/reader');
      expect((await vm.ssh(start('/opt/t/reader'))).stdout).toBe(`${source} (enforce)\n`);
    },
  );

  it('a blocked program is not run through the loader either', async () => {
    const loader =
      '$(ls /usr/lib64/ld-linux-*.so.* /usr/lib/ld-linux-*.so.* 2>/dev/null | head -1)';
    expect(await outcome(`${loader} /usr/bin/true`)).toBe('ok');
    expect((await vm.ssh(`${loader} /usr/bin/sleep 0`, { allowFailure: true })).code).not.toBe(0);
  });

  it('a service stays bound, and one with a blocked program does not start with its drop-in', async () => {
    expect(await outcome(`${RUN} cat /srv/secret`)).toBe('denied');
    const start = `${RUN} -p AppArmorProfile=hostward-blocked /usr/bin/sleep 0`;
    expect((await vm.ssh(start, { allowFailure: true })).code).toBe(231);
    const change = "printf 'changeprofile unconfined' > /proc/self/attr/apparmor/current";
    expect(await outcome(`${RUN} bash -c "${change}; cat /srv/secret"`)).toBe('denied');
  });

  it('root in our label cannot trace or signal the sensor', async () => {
    await vm.ssh('systemd-run --quiet --unit=hw-test /usr/lib/hostward/hostward-sensor /dev/ptmx');
    const pid = '$(systemctl show -P MainPID hw-test)';
    expect((await vm.ssh(`kill -9 ${pid}`, { allowFailure: true })).code).not.toBe(0);
    expect(await outcome(`systemctl kill -s KILL hw-test`)).toBe('ok');
  });

  it('tcp is blocked for its source without AF_UNIX, and for nobody else', async () => {
    const connect = (shell: string): string => `${shell} -c 'exec 3<>/dev/tcp/127.0.0.1/22'`;
    expect(await outcome(connect('/opt/t/shell'))).toBe('denied');
    expect(await outcome(connect('bash'))).toBe('ok');
  });

  it('a capability is blocked for its source', async () => {
    const { code } = await vm.ssh('/opt/t/chown 1:1 /srv/tree/ok/a', { allowFailure: true });
    expect(code).not.toBe(0);
    expect(await outcome('chown 1:1 /srv/tree/ok/a')).toBe('ok');
  });

  it('an allow-list under posture block lets run what it lists, and the program itself', async () => {
    expect(await outcome("/opt/t/lister -c '/usr/bin/id'")).toBe('ok');
    expect(await outcome("/opt/t/lister -c '/usr/bin/uname'")).toBe('denied');
    expect(await outcome("/opt/t/lister -c '/opt/t/lister -c true'")).toBe('ok');
  });

  it('a package with a blocked program can be upgraded, and the rule binds the new file', async () => {
    expect(await outcome('/usr/bin/hw-blocked')).toBe('denied');
    expect(await outcome('dpkg -i /tmp/two.deb')).toBe('ok');
    expect(await outcome('grep -q two /usr/bin/hw-blocked')).toBe('ok');
    expect(await outcome('/usr/bin/hw-blocked')).toBe('denied');
  });

  it('each denial that the kernel wrote down is attributed to its rule', async () => {
    await vm.ssh('dmesg -C; sysctl -q kernel.printk_ratelimit=0');
    await outcome(
      'cat /srv/secret; /usr/bin/sleep 0; /opt/t/reader /srv/scoped; echo > /opt/ro/y; ln /usr/bin/sleep /srv/q; false',
    );
    const { stdout } = await vm.ssh(`dmesg | grep 'apparmor="DENIED"' | grep 'profile="hostward'`);
    const causes = stdout.split('\n').flatMap((line) => {
      const found = attribute(compilation.report.attribution, denialOf(line));
      return found === undefined ? [] : [`${found.policy} ${found.rule}`];
    });
    expect(new Set(causes)).toEqual(
      new Set([
        'secret file/matchPaths/0',
        'sleep process/matchPaths/0',
        'scoped file/matchPaths/0',
        'read-only file/matchDirectories/0',
      ]),
    );
    expect(stdout.split('\n').filter((line) => line !== '')).toHaveLength(causes.length);
  });

  it('the audit variant denies nothing and open logs nothing, with the same profiles loaded', async () => {
    await load('audit');
    expect(
      await outcome(
        'cat /srv/secret && /usr/bin/sleep 0 && /opt/t/reader /srv/scoped && echo > /opt/ro/y',
      ),
    ).toBe('ok');
    await load('open');
    await vm.ssh('dmesg -C');
    expect(await outcome('cat /srv/secret && /usr/bin/sleep 0')).toBe('ok');
    expect((await vm.ssh('dmesg | grep -c apparmor= || true')).stdout.trim()).toBe('0');
    await load('enforce');
    expect(await outcome('cat /srv/secret')).toBe('denied');
  });
});

/** As the sensor reads an audit record. */
function denialOf(line: string): Denial {
  const text = (key: string): string | undefined => new RegExp(` ${key}="([^"]*)"`).exec(line)?.[1];
  const number = (key: string): number | undefined => {
    const found = new RegExp(` ${key}=(\\d+)`).exec(line)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  return {
    profile: text('profile'),
    operation: text('operation'),
    name: text('name'),
    target: text('target'),
    requested: text('requested_mask'),
    denied: text('denied_mask'),
    fsuid: number('fsuid'),
    ouid: number('ouid'),
  };
}
