import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Finding, NodeView } from '#contracts';
import { joinFleet, type Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { agentConfinement, expectAllowed, expectBlocked, isAllowed } from './support/guest.js';
import { blockFile, blockProgram } from './support/policies.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };
/** Node starts in seconds under emulation, on a busy machine in many. */
const SLOW_MS = 3 * MINUTES;
const TWO_DAYS_S = 172_800;
/** What a policy may take from a host, and what takes policies from a host needs. */
const USED_BY_OFFBOARDING = ['id', 'rm', 'sed'];

/** Everything that a host can show of the product, the package's own files left out. */
const TRACES = `grep -h hostward /sys/kernel/security/apparmor/profiles
aa-status 2>/dev/null | grep hostward
grep -l hostward /proc/[0-9]*/attr/current 2>/dev/null
bpftool prog show | grep ' name hw_'
bpftool map show | grep hostward
find /sys/fs/bpf -mindepth 1
find / -xdev -path '*hostward*' -not -path '/usr/lib/hostward*' -not -path '/usr/lib/systemd/system/hostward-*' \\
  -not -path '/etc/apparmor.d/hostward-*' -not -path '/usr/bin/hostward-*' -not -path '/usr/share/*' \\
  -not -path '/usr/lib/sysusers.d/*' -not -path '/usr/lib/tmpfiles.d/*' -not -path '/mnt/*'
systemctl list-units --all --plain --no-legend 'hostward*'
true`;

/** A mount namespace in which what preflight looks at is as it is on a host that cannot be one. */
const UNFIT = `mount --bind /etc /etc && mount -o remount,ro,bind /etc
mount -t tmpfs -o size=10m none /var/lib
mount -t tmpfs none /run && python3 -c '
import socket
socket.socket(socket.AF_UNIX).bind("/run/docker.sock")'
: >/run/empty && mount --bind /run/empty /sys/kernel/security/lsm
mount --bind /run/empty /sys/module/apparmor/parameters/enabled
mkdir /run/bin && cp /usr/bin/true /run/bin/snap
printf '#!/bin/sh\\necho glibc 2.31\\n' >/run/bin/getconf && chmod 755 /run/bin/getconf
mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && echo 1 >/sys/fs/selinux/enforce
PATH=/run/bin:$PATH sh /usr/lib/hostward/preflight.sh --url https://no-such-host.invalid:7443`;

/** From an installed host to nothing: preflight, offboarding in its three kinds, and what is left after each. */
describe('the life of a host', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await fleet.product.apply(blockProgram('no-sleep', '/usr/bin/sleep', PROD));
    const file = blockFile('no-name', '/etc/hostname', PROD, '/usr/bin/cat');
    await fleet.product.apply(file);
    for (const policy of ['no-sleep', 'no-name'])
      await fleet.product.must(
        ['status', 'policy', policy, '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const agent = (words: string): string =>
    `/usr/lib/hostward/node /usr/lib/hostward/agent.mjs ${words}`;
  const traces = async (): Promise<string> => (await web1.ssh(TRACES)).stdout;
  const findings = (lines: string): Record<string, Finding> =>
    Object.fromEntries(
      lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Finding)
        .map((finding) => [finding.check, finding]),
    );
  const doctor = async (): Promise<Record<string, Finding>> =>
    findings((await fleet.product.cli(['doctor', '--json'])).stdout);
  const node = async (): Promise<NodeView> =>
    JSON.parse(
      (await fleet.product.must(['describe', 'node', 'web1', '-o', 'json'])).stdout,
    ) as NodeView;

  it(
    'preflight finds nothing wrong with a host that enforces, its way to the control plane included',
    async () => {
      const { stdout } = await web1.ssh(agent('preflight --json'), { timeoutMs: SLOW_MS });
      const found = findings(stdout);
      expect(Object.values(found).filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
      expect(Object.keys(found)).toEqual(
        expect.arrayContaining(['lsm', 'apparmor-parser', 'name-resolution', 'route', 'clock']),
      );
    },
    10 * MINUTES,
  );

  it(
    'preflight names each thing that would keep a machine out, with a remedy, in one run',
    async () => {
      const run = await web1.ssh(['unshare', '-m', 'sh', '-c', UNFIT], {
        allowFailure: true,
        timeoutMs: SLOW_MS,
      });
      expect(run.code).toBe(1);
      const found = findings(run.stdout);
      const faults = Object.values(found).filter(({ verdict }) => verdict !== 'ok');
      expect(Object.fromEntries(faults.map(({ check, verdict }) => [check, verdict]))).toEqual({
        ...{ systemd: 'failed', lsm: 'failed', writable: 'failed', 'disk-var': 'failed' },
        ...{ containers: 'warning', 'change-profile': 'warning', selinux: 'warning' },
        glibc: 'failed',
        ...{ 'name-resolution': 'failed', clock: 'warning' },
      });
      expect(faults.every(({ remedy }) => remedy !== '')).toBe(true);
      expect(found['writable']?.cause).toContain('/etc');
    },
    10 * MINUTES,
  );

  it(
    'a clock two days off is found on the host before it joins, and by the doctor after',
    async () => {
      const shift = (seconds: number): string => `date -s "@$(($(date +%s) + ${seconds}))"`;
      await web1.ssh(shift(TWO_DAYS_S));
      try {
        const { stdout } = await web1.ssh(agent('preflight --json'), {
          allowFailure: true,
          timeoutMs: SLOW_MS,
        });
        expect(findings(stdout)['clock']).toMatchObject({
          verdict: 'failed',
          cause: expect.stringContaining('ahead of'),
        });
        await eventually('the doctor finds it', MINUTES, async () =>
          (await doctor())['hosts-clock']?.cause.includes('web1'),
        );
      } finally {
        await web1.ssh(shift(-TWO_DAYS_S));
      }
      await web1.ssh('systemctl restart hostward-agent.service');
      await eventually('it reports again', 2 * MINUTES, async () => (await node()).connected);
      // Started under a rule set, it is bound by that too.
      expect(await agentConfinement(web1)).toEqual({
        label: 'hostward//&hostward-agent (enforce)',
        denied: [],
      });
    },
    10 * MINUTES,
  );

  it(
    'a host without a network takes policies from a file, by the checks that it takes every other by',
    async () => {
      await web1.ssh('systemctl stop hostward-agent.service');
      await fleet.product.apply(blockProgram('no-nice', '/usr/bin/nice', PROD));
      const file = join(fleet.product.dataDir, 'web1.bundle');
      await eventually('the new rule set is in the file', MINUTES, async () => {
        const { stdout } = await fleet.product.cli(['bundle', 'export', '--node=web1', '-o', file]);
        const before = JSON.parse((await web1.ssh('hostward-sensor status --json')).stdout) as {
          highest?: { generation: string };
        };
        const generation = /generation (\d+) /.exec(stdout)?.[1];
        return Number(generation) > Number(before.highest?.generation);
      });
      await web1.copyIn(file, '/root/web1.bundle');
      await web1.ssh(
        `sed 's/"bundle":"..../"bundle":"AAAA/' /root/web1.bundle >/root/forged.bundle`,
      );
      const importing = (name: string) =>
        web1.ssh(agent(`import /root/${name}.bundle`), { allowFailure: true, timeoutMs: SLOW_MS });
      const forged = await importing('forged');
      expect([forged.code, forged.stderr]).toEqual([1, expect.stringMatching(/./)]);
      await expectAllowed(web1, 'nice true');
      expect((await importing('web1')).stdout).toMatch(/^generation \d+ is in force/);
      await expectBlocked(web1, 'nice true');
      await web1.ssh('rm /root/*.bundle; systemctl start hostward-agent.service');
      await eventually('it reports again', 2 * MINUTES, async () => (await node()).connected);
    },
    10 * MINUTES,
  );

  it('a host that reports is not taken out by mistake', async () => {
    expect((await agentConfinement(web1)).denied).toEqual([]);
    const { code, stderr } = await fleet.product.cli(['node', 'offboard', 'web1']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('hostward-agent offboard')]);
    const dry = await fleet.product.must(['node', 'offboard', 'web1', '--force', '--dry-run']);
    expect(dry.stdout).toContain('would be offboarded');
    expect((await node()).phase).toBe('enrolled');
  });

  it(
    'left autonomous it enforces over reboots, more than the guard against boot loops would bear',
    async () => {
      await web1.ssh(agent('offboard --keep-enforcing'), { timeoutMs: SLOW_MS });
      await expectBlocked(web1, 'sleep 0.01');
      await expectAllowed(web1, 'test ! -e /var/lib/hostward/agent');
      // The next boot is the third in a row that no control plane has confirmed; one more would be audited.
      await web1.ssh('echo "another-boot 2" >/var/lib/hostward/sensor/boots');
      await web1.reboot();
      await expectBlocked(web1, 'sleep 0.01');
      await eventually('the boot counts as healthy', MINUTES, () =>
        isAllowed(
          web1,
          'grep -qx "$(cat /proc/sys/kernel/random/boot_id) 0" /var/lib/hostward/sensor/boots',
        ),
      );
      const state = await web1.ssh('systemctl is-active hostward-agent.service', {
        allowFailure: true,
      });
      expect(state.stdout.trim()).toBe('inactive');
    },
    10 * MINUTES,
  );

  it(
    'offboarded, killed again and again on the way, it leaves no profile, pin, unit, key or confined process',
    async () => {
      for (const seconds of [0.3, 1, 2, 3]) {
        await web1.ssh(`timeout -s KILL ${seconds} sh /usr/lib/hostward/offboard.sh || true`);
      }
      await web1.ssh(agent('offboard'), { timeoutMs: SLOW_MS });
      expect(await traces()).toBe('');
      await expectAllowed(web1, 'sleep 0.01');
      await expectAllowed(web1, 'cat /etc/hostname');
      await expectAllowed(web1, 'test -n "$(aa-status --profiled)" && pidof nginx');
    },
    10 * MINUTES,
  );

  it('at the control plane it goes, and its name is free', async () => {
    await fleet.product.must(['node', 'offboard', 'web1', '--force']);
    expect((await fleet.product.cli(['describe', 'node', 'web1'])).code).toBe(1);
    const auditLog = await fleet.product.must(['audit-log', 'list', '-o', 'json']);
    expect(auditLog.stdout).toContain('node.offboarded');
  });

  it(
    'it may join anew with keys of its own, and goes for good with its package and its BPF programs',
    async () => {
      await web1.ssh('/usr/lib/hostward/setup.sh configure no-start', { timeoutMs: SLOW_MS });
      const units = 'hostward-early hostward-compiler.socket hostward-sensor hostward-agent';
      await expectAllowed(web1, `systemctl is-enabled ${units}`);
      const { caFingerprint } = await fleet.product.record();
      const url = `https://10.0.2.2:${fleet.product.port}`;
      const token = await fleet.product.joinToken('env=prod');
      await joinFleet(web1, { url, caFingerprint, name: 'web1', token, enforcer: 'bpf' });
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
      await expectBlocked(web1, 'sleep 0.01');
      for (const tool of USED_BY_OFFBOARDING) {
        await fleet.product.apply(blockProgram(`no-${tool}`, `/usr/bin/${tool}`, PROD));
        await eventually(
          `${tool} is blocked`,
          MINUTES,
          async () => (await web1.ssh(`${tool} --version`, { allowFailure: true })).code === 126,
        );
      }
      await web1.ssh(agent('offboard --purge'), { timeoutMs: SLOW_MS });
      await eventually('the kernel has freed it', MINUTES, async () => (await traces()) === '');
      const left = await web1.ssh("find / -xdev -name '*hostward*' -not -path '/mnt/*'");
      expect(left.stdout).toBe('');
      await expectAllowed(web1, 'sleep 0.01 && ! getent passwd hostward');
    },
    10 * MINUTES,
  );
});
