import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { joinFleet, Lab, type Vm } from '#testing';
import {
  TIMES,
  brokenVersion,
  brokenVersionOf,
  treeOfVersion,
  twoVersions,
  type AgentPackages,
  runPackage,
} from './support/agent-packages.js';
import { eventually } from './support/eventually.js';
import { agentConfinement, expectAllowed, expectBlocked, withJournal } from './support/guest.js';
import { InstalledControlPlane } from './support/installed-control-plane.js';
import { allowOnly, blockFile, blockProgram } from './support/policies.js';
import { whileProbing } from './support/probe-loop.js';
import { Product } from './support/product.js';
import { restoredElsewhere } from './support/restored-elsewhere.js';
import { stageServicePrograms } from './support/service-programs.js';
import { UpgradedHost } from './support/upgraded-host.js';

const MINUTES = 60_000;
/** An installation from the archive: sums of all of it, a copy, a sync. Emulated, beside others, it took over three minutes. */
const INSTALLS = { timeoutMs: 8 * MINUTES };
const PROD = { env: 'prod' };
const VERSION = '0.1.0+first';
/** What the tarball unpacks to, a later version of it, and one whose agent does not start. */
const TREE = `hostward-agent_${VERSION}_linux-amd64`;
const LATER = '0.1.0+later';
const BROKEN = '0.1.0+broken';
const UNITS = ['hostward-agent', 'hostward-sensor', 'hostward-compiler.socket'];
/** What makes a host itself. */
const IDENTITY = ['trust/node-id', 'trust/sealing.key', 'agent/signing.key', 'agent/tls.key'].map(
  (path) => `/var/lib/hostward/${path}`,
);
/** Units of Redis, and their ports. */
const REDIS = { 'hostward-redis': 6379, 'hostward-redis-events': 6380 };
const SILENT = 20;
const SHORT_STARTS = '/run/systemd/system.conf.d/short-starts.conf';
/** Connects as a sensor does that waits for an answer: its socket starts the compiler again whenever it is stopped. */
const ASK_COMPILER = `import socket, time
end = time.monotonic() + 300
while time.monotonic() < end:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect_ex("/run/hostward/compiler.sock")
    time.sleep(0.01)
`;
const isFull = process.env['HOSTWARD_FULL'] === '1';
const itInFull = isFull ? it : it.skip;
const SKIPPED = isFull ? '' : ' (skipped: takes minutes, run with --full)';
const run = promisify(execFile);

/** The whole life of the packages of a host and of the control plane, on one plain VM. */
describe('on a host', () => {
  let folder: string;
  let product: Product;
  let moved: Product;
  let lab: Lab;
  let vm: Vm;
  let debs: string;
  let agents: AgentPackages;
  let upgrade: UpgradedHost;

  const agent = (build: 'first' | 'second'): string => `${debs}/${basename(agents[build])}`;
  const active = async (): Promise<string> =>
    (await vm.ssh(`systemctl is-active ${UNITS.join(' ')}`, { allowFailure: true })).stdout;
  const dpkg = (args: string): Promise<unknown> =>
    vm.ssh(`dpkg ${args}`, { timeoutMs: 5 * MINUTES });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostward-packages-'));
    product = await Product.prepare();
    const made = join(folder, 'made');
    await runPackage([`--out=${made}`, `--package-version=${VERSION}`], 8 * MINUTES);
    agents = await twoVersions(join(made, `hostward-agent_${VERSION}_amd64.deb`), folder);
    await brokenVersion(agents.second, 'hostward-sensor', folder);
    await run('tar', ['-xf', join(made, `${TREE}.tar.xz`), '-C', folder]);
    await treeOfVersion(join(folder, TREE), LATER);
    const broken = { 'usr/lib/hostward/agent.mjs': 'process.exit(1);\n' };
    await treeOfVersion(join(folder, TREE), BROKEN, broken);
    await stageServicePrograms(join(folder, 'programs'));
    await product.start();
    lab = await Lab.open({ cpus: 1 });
    vm = await lab.vm({ name: 'plain1' });
    upgrade = new UpgradedHost(vm, product);
    debs = await vm.mountFolder(folder, 'packages');
  }, 30 * MINUTES);
  afterAll(async () => {
    await Promise.all([lab?.close(), product?.down(), moved?.down()]);
    await rm(folder, { recursive: true, force: true });
  });

  it(
    'an installation that was killed in postinst is finished by dpkg, and nothing runs before enrolment',
    async () => {
      await vm.ssh(
        `dpkg -i ${agent('first')} >/dev/null 2>&1 &
         until pgrep -f '[h]ostward-agent.postinst'; do :; done
         kill -9 $(pgrep -x dpkg) $(pgrep -f '[h]ostward-agent.postinst') $(pgrep -f '[s]etup.sh configure')`,
        { timeoutMs: 3 * MINUTES },
      );
      const { stdout } = await vm.ssh("dpkg-query -W -f='${db:Status-Status}' hostward-agent");
      expect(stdout).toBe('half-configured');
      await dpkg('--configure -a');
      await vm.ssh(`systemctl start ${UNITS.join(' ')}`);
      expect(await active()).toBe('inactive\ninactive\ninactive\n');
      expect((await vm.ssh('systemctl --failed --plain --no-legend')).stdout).toBe('');
      expect((await vm.ssh('hostward-agent version; id -un hostward')).stdout).toMatch(
        /^\d+\.\d+\.\d+\nhostward\n$/,
      );
    },
    5 * MINUTES,
  );

  it(
    'an upgrade opens no gap, and what ran runs in the other version',
    async () => {
      const { caFingerprint } = await product.record();
      const url = `https://10.0.2.2:${product.port}`;
      const token = await product.joinToken('env=prod');
      await joinFleet(vm, { url, caFingerprint, token, name: 'plain1' });
      await vm.writeFile('/srv/secret', 'secret\n');
      await product.apply(blockProgram('no-sleep', '/usr/bin/sleep', PROD));
      const secret = blockFile('no-secret', '/srv/secret', PROD);
      await product.apply(secret, '--wait', '--timeout', '300s');
      await expectBlocked(vm, 'sleep 0.01');
      const pids = 'systemctl show -P MainPID hostward-agent hostward-sensor';
      const before = (await vm.ssh(pids)).stdout;
      const seen = await whileProbing(vm, '/srv/secret', '/usr/bin/sleep', async () => {
        await dpkg(`-i ${agent('second')}`);
        expect((await vm.ssh("dpkg-query -W -f='${Version}' hostward-agent")).stdout).toBe(
          agents.secondVersion,
        );
        expect((await vm.ssh(pids)).stdout).not.toBe(before);
      });
      expect(seen).toMatchObject({ through: 0, tries: expect.any(Number) });
      expect(seen.tries).toBeGreaterThan(100);
      expect(await active()).toBe('active\nactive\nactive\n');
      await product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s']);
      await upgrade.unwatched();
    },
    10 * MINUTES,
  );

  it(
    'a version whose sensor does not start is taken back, and nothing opens meanwhile',
    async () => {
      const version = brokenVersionOf('hostward-sensor');
      const reason = /^hostward-sensor\.service was started anew 5 times/;
      // Whoever goes back takes longer than a unit has to start, as on a machine of a tenth of the speed.
      await vm.writeFile(SHORT_STARTS, '[Manager]\nDefaultTimeoutStartSec=10s\n');
      await vm.ssh('systemctl daemon-reload');
      const seen = await whileProbing(vm, '/srv/secret', '/usr/bin/sleep', async () => {
        await vm.ssh(`dpkg -i ${debs}/hostward-agent_${version}_amd64.deb`, {
          timeoutMs: 5 * MINUTES,
          allowFailure: true,
        });
        expect((await upgrade.takenBack(version, reason)).to).toBe(agents.secondVersion);
      });
      expect(seen).toMatchObject({ through: 0, tries: expect.any(Number) });
      expect(seen.tries).toBeGreaterThan(100);
      await product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s']);
      const { stdout } = await product.must(['status', 'node', 'plain1']);
      expect(stdout).toContain(`upgrade to ${version} rolled back to ${agents.secondVersion} at `);
      await upgrade.unwatched();
      await eventually('whoever went back comes to its end', MINUTES, async () => {
        const { stdout: said } = await vm.ssh('journalctl -b -o cat -t sh', { allowFailure: true });
        return said.includes(`hostward: ${agents.secondVersion} runs again`);
      });
      expect((await vm.ssh('systemctl --failed --plain --no-legend')).stdout).toBe('');
      await vm.ssh(`rm ${SHORT_STARTS} && systemctl daemon-reload`);
    },
    12 * MINUTES,
  );

  it(
    'a downgrade opens no gap, comes up though the compiler is asked without a pause, and takes the word of those that did not away',
    async () => {
      await vm.writeFile('/root/ask.py', ASK_COMPILER);
      await vm.ssh('systemd-run --quiet --unit=ask-compiler python3 /root/ask.py');
      const seen = await whileProbing(vm, '/srv/secret', '/usr/bin/sleep', async () => {
        await dpkg(`-i ${agent('first')}`);
        await vm.ssh('test -e /usr/lib/hostward-previous/usr/lib/hostward/node');
        await vm.ssh('systemctl stop ask-compiler');
        await upgrade.unwatched();
      });
      expect(seen).toMatchObject({ through: 0, tries: expect.any(Number) });
      expect(seen.tries).toBeGreaterThan(100);
      await upgrade.untold();
    },
    10 * MINUTES,
  );

  it(
    'removal ends enforcement, and a new installation takes it up again',
    async () => {
      await dpkg('--remove hostward-agent');
      await expectAllowed(vm, 'sleep 0.01');
      expect((await inKernel()).stdout).toBe('');
      await vm.ssh('test -e /etc/hostward/agent.yaml && test -e /var/lib/hostward/trust/node-id');
      await dpkg(`-i ${agent('first')}`);
      await product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s']);
      await expectBlocked(vm, 'sleep 0.01');
    },
    6 * MINUTES,
  );

  itInFull(
    `dpkg replaces it under an allow-list that blocks the rest too, and nothing opens meanwhile${SKIPPED}`,
    async () => {
      await vm.ssh('cp /usr/bin/true /srv/tool && /srv/tool');
      const known = allowOnly('only-known', ['/usr/', '/var/lib/dpkg/'], PROD);
      await product.apply(known, '--wait', '--timeout', '300s');
      await expectBlocked(vm, '/srv/tool');
      const seen = await whileProbing(vm, '/srv/secret', '/srv/tool', async () => {
        await dpkg(`-i ${agent('second')}`);
        await upgrade.unwatched();
      });
      expect(seen).toMatchObject({ through: 0, tries: expect.any(Number) });
      expect(seen.tries).toBeGreaterThan(100);
      expect(await upgrade.packaged()).toEqual(['installed', agents.secondVersion]);
      expect(await upgrade.times()).toEqual([TIMES.second]);
      await expectBlocked(vm, '/srv/tool');
    },
    8 * MINUTES,
  );

  itInFull(
    `where the power goes while dpkg replaces files, the version before is whole again, enforces from the start, and dpkg installs anew${SKIPPED}`,
    async () => {
      const kept = '/usr/lib/hostward-previous/usr/lib/hostward/hostward-sensor';
      const isReplaced = `[ -e ${kept} ] && ! [ ${kept} -ef /usr/lib/hostward/hostward-sensor ]`;
      await upgrade.stopDpkg(agent('first'), isReplaced);
      expect(await upgrade.packaged()).toEqual(['half-installed', agents.secondVersion]);
      expect(await upgrade.times()).toHaveLength(2);
      await vm.kill();
      await vm.powerOn();
      for (const each of ['sleep 0.01', '/srv/tool', 'cat /srv/secret'])
        await expectBlocked(vm, each);
      const { to } = await upgrade.takenBack(VERSION, /^its installation did not come to an end/);
      expect(to).toBe(agents.secondVersion);
      await upgrade.unwatched();
      expect(await upgrade.times()).toEqual([TIMES.second]);
      await dpkg('--configure -a');
      expect(await upgrade.packaged()).toEqual(['half-installed', agents.secondVersion]);
      await dpkg(`-i ${agent('first')}`);
      await upgrade.unwatched();
      expect(await upgrade.packaged()).toEqual(['installed', VERSION]);
      expect(await upgrade.times()).toEqual([TIMES.first]);
      expect((await vm.ssh("find /usr /etc -name '*.dpkg-*'")).stdout).toBe('');
      await upgrade.untold();
    },
    12 * MINUTES,
  );

  itInFull(
    `where the power goes while dpkg configures, dpkg ends it after the boot, which enforces from the start${SKIPPED}`,
    async () => {
      await upgrade.stopDpkg(agent('second'), "pgrep -f '[h]ostward-agent.postinst' >/dev/null");
      expect(await upgrade.packaged()).toEqual(['half-configured', agents.secondVersion]);
      await vm.kill();
      await vm.powerOn();
      for (const each of ['sleep 0.01', '/srv/tool', 'cat /srv/secret'])
        await expectBlocked(vm, each);
      await dpkg('--configure -a');
      expect((await vm.ssh('apt-get -y -f install')).stdout).toMatch(/^0 upgraded, 0 newly/m);
      expect(await upgrade.packaged()).toEqual(['installed', agents.secondVersion]);
      await upgrade.unwatched();
      expect(await upgrade.times()).toEqual([TIMES.second]);
      expect(await active()).toBe('active\nactive\nactive\n');
    },
    10 * MINUTES,
  );

  itInFull(
    `where nobody ends it, the version before comes back, and dpkg still ends well${SKIPPED}`,
    async () => {
      await upgrade.stopDpkg(agent('first'), "pgrep -f '[h]ostward-agent.postinst' >/dev/null");
      await vm.kill();
      await vm.powerOn();
      await upgrade.takenBack(VERSION, /^its installation did not come to an end/);
      await upgrade.unwatched();
      expect(await upgrade.times()).toEqual([TIMES.second]);
      await dpkg('--configure -a');
      expect(await upgrade.packaged()).toEqual(['installed', VERSION]);
      expect(await upgrade.times()).toEqual([TIMES.second]);
      expect(await active()).toBe('active\nactive\nactive\n');
      await expectBlocked(vm, '/srv/tool');
      await dpkg(`-i ${agent('first')}`);
      await upgrade.unwatched();
      expect(await upgrade.times()).toEqual([TIMES.first]);
      await upgrade.untold();
      await product.must(['delete', 'policy', 'only-known']);
    },
    12 * MINUTES,
  );

  it(
    'its agent follows an order of the root keys to another control plane, which its AppArmor profile lets it do',
    async () => {
      const backup = join(folder, 'move.backup');
      await product.must(['backup', `--data-dir=${product.dataDir}`, `--out=${backup}`]);
      moved = await restoredElsewhere(backup);
      const { caFingerprint } = await moved.record();
      const to = [
        `--to=https://10.0.2.2:${moved.port}`,
        `--ca-fingerprint=sha256:${caFingerprint}`,
      ];
      const configured = (await vm.ssh('cat /etc/hostward/agent.yaml')).stdout;
      // Until the reboot of the next step: no clock is quite right, and a redirect counts from the second of its signature.
      await vm.ssh('date --set="@$(($(date +%s) - 20))"');
      await product.must(['redirect', ...to, '--node=plain1', '--reason=another data centre']);
      await eventually('it is confirmed there', 5 * MINUTES, async () => {
        const { connected, redirect } = await moved.nodeStatus('plain1');
        return connected && redirect?.state === 'followed';
      }).catch((error: unknown) => withJournal(vm, error));
      await vm.ssh('systemctl restart hostward-agent', { timeoutMs: 3 * MINUTES });
      const nice = blockProgram('no-nice', '/usr/bin/nice', PROD);
      await moved.apply(nice, '--wait', '--timeout', '300s');
      await expectBlocked(vm, 'nice true');
      expect(await agentConfinement(vm)).toEqual({ label: 'hostward-agent (enforce)', denied: [] });
      // Where it found the place before is not written over: people own that file.
      expect((await vm.ssh('cat /etc/hostward/agent.yaml')).stdout).toBe(configured);
    },
    10 * MINUTES,
  );

  it(
    'it is at the other one after a reboot too, the first one being there or not',
    async () => {
      await product.stop();
      await vm.reboot();
      await expectBlocked(vm, 'nice true');
      const seq = blockProgram('no-seq', '/usr/bin/seq', PROD);
      await moved.apply(seq, '--wait', '--timeout', '300s');
      await expectBlocked(vm, 'seq 1');
      await moved.stop();
      await product.start();
    },
    10 * MINUTES,
  );

  it(
    'purge leaves nothing: no file, user, unit, profile or pin',
    async () => {
      await dpkg('--purge hostward-agent');
      await expectAllowed(vm, 'sleep 0.01');
      expect((await inKernel()).stdout).toBe('');
      expect((await left()).stdout).toBe('');
    },
    5 * MINUTES,
  );

  it(
    'from the tarball it joins, and AppArmor enforces, an allow-list that blocks the rest too',
    async () => {
      await product.must(['node', 'offboard', 'plain1', '--force']);
      const { caFingerprint } = await product.record();
      const joining = [
        ...[
          `--control-plane=https://10.0.2.2:${product.port}`,
          `--ca-fingerprint=${caFingerprint}`,
        ],
        ...['--enforcer=apparmor', '--name=plain1', '--token-file=stdin'],
      ].flatMap((word) => word.split('='));
      await vm.ssh([`${debs}/${TREE}/install.sh`, ...joining], {
        ...INSTALLS,
        input: await product.joinToken('env=prod'),
      });
      await vm.ssh('cp /usr/bin/true /srv/tool && /srv/tool');
      await product.apply(allowOnly('only-known', ['/usr/', '/mnt/packages/'], PROD));
      for (const policy of ['no-secret', 'no-sleep', 'only-known'])
        await product.must(['status', 'policy', policy, '--wait', '--timeout', '300s']);
      for (const each of ['sleep 0.01', '/srv/tool']) await expectBlocked(vm, each);
    },
    10 * MINUTES,
  );

  itInFull(
    `there a version whose agent does not start is taken back too, and nothing opens meanwhile${SKIPPED}`,
    async () => {
      const seen = await whileProbing(vm, '/srv/secret', '/srv/tool', async () => {
        await vm.ssh(`${debs}/hostward-agent_${BROKEN}/install.sh`, INSTALLS);
        await upgrade.takenBack(BROKEN, /^hostward-agent\.service was started anew 5 times/);
      });
      expect(seen).toMatchObject({ through: 0, tries: expect.any(Number) });
      expect(seen.tries).toBeGreaterThan(100);
      await upgrade.unwatched();
    },
    8 * MINUTES,
  );

  itInFull(
    `where the power goes in the middle of an installation, the version before is whole again, and enforces from the start${SKIPPED}`,
    async () => {
      const later = `${debs}/hostward-agent_${LATER}`;
      await vm.ssh(`systemd-run --quiet ${later}/install.sh
        until cmp -s ${later}/usr/lib/hostward/VERSION /usr/lib/hostward/VERSION; do :; done`);
      await vm.kill();
      await vm.powerOn();
      for (const each of ['sleep 0.01', '/srv/tool', 'cat /srv/secret'])
        await expectBlocked(vm, each);
      await upgrade.takenBack(LATER, /^its installation did not come to an end/);
      await upgrade.unwatched();
      expect((await vm.ssh('cat /usr/lib/hostward/VERSION')).stdout).toBe(`${VERSION}\n`);
      const sums = `grep -E '  (etc|usr)/' ${debs}/${TREE}/SHA256SUMS`;
      await vm.ssh(`cd / && ${sums} | sha256sum --quiet -c`);
      expect((await vm.ssh("find /usr /etc -name '*.new'")).stdout).toBe('');
    },
    10 * MINUTES,
  );

  it(
    'it is upgraded, and taken away whole by its uninstall.sh',
    async () => {
      await vm.ssh(`${debs}/hostward-agent_${LATER}/install.sh`, INSTALLS);
      await upgrade.unwatched();
      await expectBlocked(vm, '/srv/tool');
      expect((await vm.ssh('cat /usr/lib/hostward/VERSION')).stdout).toBe(`${LATER}\n`);
      await upgrade.untold();
      // Into another fleet: what it would leave as it is is told before anything changes.
      const foreign = `--control-plane https://10.0.2.2:1 --ca-fingerprint ${'ab'.repeat(32)}`;
      const refused = { ...INSTALLS, allowFailure: true };
      const { stderr } = await vm.ssh(`${debs}/${TREE}/install.sh ${foreign}`, refused);
      expect(stderr).toMatch(/names another CA than --ca-fingerprint: .*Nothing was changed/);
      expect((await vm.ssh('cat /usr/lib/hostward/VERSION')).stdout).toBe(`${LATER}\n`);
      await vm.ssh('/usr/lib/hostward/uninstall.sh --purge', { timeoutMs: 3 * MINUTES });
      await expectAllowed(vm, 'sleep 0.01 && /srv/tool && cat /srv/secret');
      expect((await inKernel()).stdout).toBe('');
      expect((await left()).stdout).toBe('');
    },
    12 * MINUTES,
  );

  it(
    'clones of an image with the package, in which nothing has enrolled, become hosts of their own',
    async () => {
      const image = await lab.layer({
        name: 'golden',
        content: createHash('sha256')
          .update(await readFile(agents.first))
          .digest('hex'),
        prepare: async (vm) => {
          const mount = await vm.mountFolder(folder, 'packages');
          await vm.ssh(`dpkg -i ${mount}/${basename(agents.first)}`, { timeoutMs: 3 * MINUTES });
        },
      });
      const { caFingerprint } = await product.record();
      const url = `https://10.0.2.2:${product.port}`;
      const clones = await Promise.all(
        ['clone1', 'clone2'].map(async (name) => {
          const clone = await lab.vm({ name, from: image });
          const token = await product.joinToken('env=clones');
          await joinFleet(clone, { url, caFingerprint, token, name });
          return clone;
        }),
      );
      const policy = blockProgram('no-nice', '/usr/bin/nice', { env: 'clones' });
      await product.apply(policy, '--wait', '--timeout', '300s');
      for (const clone of clones) await expectBlocked(clone, 'nice true');
      const sums = await Promise.all(
        clones.map(async (clone) => (await clone.ssh(`sha256sum ${IDENTITY.join(' ')}`)).stdout),
      );
      expect(new Set(sums.flatMap((each) => each.trim().split('\n'))).size).toBe(
        clones.length * IDENTITY.length,
      );
      await Promise.all(clones.map((clone) => clone.kill()));
    },
    8 * MINUTES,
  );

  it(
    'the control plane is installed with its command line, and does not start without a configuration',
    async () => {
      await dpkg(`-i ${debs}/made/hostward_${VERSION}_amd64.deb`);
      const { stdout } = await vm.ssh(
        'hostward version; systemctl is-enabled hostward-control-plane; systemctl is-active hostward-control-plane',
        { allowFailure: true },
      );
      expect(stdout).toMatch(/^hostward 0\.1\.0\+first .*\nenabled\ninactive\n$/);
      expect((await vm.ssh('hostward help')).stdout).not.toMatch(/^ +package /m);
    },
    6 * MINUTES,
  );

  it(
    'its services come up with etcd and Redis, and connections that say nothing are kept from each Redis, with ptrace reserved to privilege',
    async () => {
      const installed = new InstalledControlPlane(vm);
      await vm.ssh(`cp -rn ${debs}/programs/. / && sysctl -q kernel.yama.ptrace_scope=2`);
      await installed.configure();
      await installed.loseCertificates();
      await installed.start('hostward-control-plane');
      await installed.start('hostward-etcd', 'hostward-redis', 'hostward-redis-events');
      await installed.ready();
      const all = ['hostward-control-plane', 'hostward-etcd', ...Object.keys(REDIS)];
      expect((await vm.ssh(`systemctl is-active ${all.join(' ')}`)).stdout).toBe(
        'active\n'.repeat(4),
      );
      for (const [unit, port] of Object.entries(REDIS)) {
        expect(await installed.journal(unit)).toContain(`deferred accepting is on; ports: ${port}`);
        expect(await installed.journal(unit, 'warning')).toBe('');
        expect(await installed.keptFrom(port, SILENT)).toBe(SILENT);
      }
      // Whatever a sandbox keeps from a program: rights, and families of sockets (EAFNOSUPPORT).
      expect(await installed.journal('hostward-control-plane')).not.toMatch(
        /EPERM|EACCES|EAFNOSUPPORT|Address family|Failed/,
      );
    },
    10 * MINUTES,
  );

  it(
    'Redis runs without deferred accepting, and a warning says so, where nobody may have the sockets of another process',
    async () => {
      const installed = new InstalledControlPlane(vm);
      await vm.ssh('sysctl -q kernel.yama.ptrace_scope=3');
      await vm.ssh('systemctl restart hostward-redis', { timeoutMs: 3 * MINUTES });
      expect((await vm.ssh('systemctl is-active hostward-redis')).stdout).toBe('active\n');
      expect(await installed.journal('hostward-redis', 'warning')).toMatch(
        /^Redis, process \d+, runs without deferred accepting: .*; limit new connections by source in a firewall/m,
      );
      expect(await installed.keptFrom(REDIS['hostward-redis'], SILENT)).toBe(0);
      await installed.ready();
    },
    5 * MINUTES,
  );

  it(
    'purge of the control plane leaves nothing, though its services run',
    async () => {
      await dpkg('--purge hostward');
      expect((await left()).stdout).toBe('');
    },
    5 * MINUTES,
  );

  /** Profiles and pins of ours. */
  function inKernel(): Promise<{ stdout: string }> {
    return vm.ssh('grep hostward /sys/kernel/security/apparmor/profiles; ls /sys/fs/bpf/hostward', {
      allowFailure: true,
    });
  }

  /** Whatever of ours a person would find, and files of a user that is gone. */
  function left(): Promise<{ stdout: string }> {
    return vm.ssh(
      `find / \\( -path /proc -o -path /sys -o -path '/mnt/*' \\) -prune -o \\( -name '*hostward*' -o -nouser \\) -print
       grep -h hostward /etc/passwd /etc/group; systemctl list-unit-files --no-legend 'hostward*'`,
      { allowFailure: true },
    );
  }
});
