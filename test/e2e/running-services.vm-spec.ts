import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed } from './support/guest.js';
import { blockFile, blockProgram } from './support/policies.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

const PROFILE = `profile owned /usr/local/bin/owned flags=(attach_disconnected) {
  capability,
  network,
  signal,
  unix,
  "/{,**}" rwlkm,
  /** pix,
}
`;
/** Tries three files over and over and writes down what it got: a process that never executes anything again. */
const READER = `import os, sys, time

def attempt(name):
    try:
        os.close(os.open('/srv/' + name, os.O_RDONLY))
        return name + '=read'
    except OSError:
        return name + '=denied'

while True:
    with open(sys.argv[1] + '.new', 'w') as f:
        f.write(' '.join(attempt(name) for name in ('one', 'two', 'three')))
    os.rename(sys.argv[1] + '.new', sys.argv[1])
    time.sleep(0.1)
`;

const unit = (program: string, ...more: readonly string[]): string =>
  [
    '[Service]',
    `ExecStart=/usr/local/bin/${program} /opt/reader.py /run/${program}`,
    ...more,
    '',
  ].join('\n');

const PROGRAMS = ['plain', 'strict', 'owned'] as const;
type Program = (typeof PROGRAMS)[number];

/** A user without a login: the VM has no logind. */
const AS_USER =
  'setpriv --reuid=someone --regid=someone --clear-groups env HOME=/home/someone XDG_RUNTIME_DIR=/run/user/2000';
const USER = `useradd -m -u 2000 someone && install -d -m 0700 -o someone /run/user/2000 /home/someone/.config/systemd/user
mkdir -p /etc/systemd/system/user@2000.service.d
printf '[Service]\\nEnvironment=XDG_RUNTIME_DIR=/run/user/2000\\n' > /etc/systemd/system/user@2000.service.d/runtime.conf
printf '[Service]\\nType=oneshot\\nExecStart=sh -c "cat /srv/one /proc/self/attr/current >/run/user/2000/looked 2>&1 || true"\\n' > /home/someone/.config/systemd/user/look.service
chown -R someone /home/someone; systemctl daemon-reload`;

/**
 * What rule sets do to services while these run. A service is in one profile of ours alone, which the kernel replaces
 * under it. Only one with an AppArmor profile of its own is in a stack, which Linux 6.12 stops updating: it never counts
 * as reached while it runs, and a restart gives it the newest rules.
 */
describe('services that run', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await web1.writeFile('/etc/apparmor.d/owned', PROFILE);
    await web1.writeFile('/opt/reader.py', READER);
    await web1.writeFile('/etc/systemd/system/plain.service', unit('plain'));
    await web1.writeFile(
      '/etc/systemd/system/strict.service',
      unit('strict', 'NoNewPrivileges=yes', 'SystemCallArchitectures=native'),
    );
    await web1.writeFile('/etc/systemd/system/owned.service', unit('owned'));
    await web1.ssh(
      `for p in ${PROGRAMS.join(' ')}; do cp "$(readlink -f /usr/bin/python3)" /usr/local/bin/$p; done
       apparmor_parser -r /etc/apparmor.d/owned && touch /srv/one /srv/two /srv/three && systemctl daemon-reload`,
    );
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const systemctl = (...words: readonly string[]): Promise<unknown> =>
    web1.ssh(`systemctl ${words.join(' ')}`);
  const reads = (program: Program, wanted: string | RegExp): Promise<unknown> =>
    eventually(`${program}: ${wanted}`, 3 * MINUTES, async () => {
      const { stdout } = await web1.ssh(`cat /run/${program}`, { allowFailure: true });
      return typeof wanted === 'string' ? stdout === wanted : wanted.test(stdout);
    });
  const label = async (program: Program): Promise<string> =>
    (await web1.ssh(`cat /proc/$(systemctl show -P MainPID ${program})/attr/apparmor/current`))
      .stdout;
  const block = (name: string): Promise<unknown> =>
    fleet.product.apply(blockFile(name, `/srv/${name}`, PROD), '--wait', '--timeout', '300s');
  const remove = (name: string): Promise<unknown> => fleet.product.must(['delete', 'policy', name]);
  const uncovered = async (): Promise<readonly string[]> =>
    (await fleet.product.nodeStatus('web1')).coverage?.uncovered ?? [];

  it(
    'start under ours alone, whatever NoNewPrivileges says, and one with a profile under both',
    async () => {
      await block('one');
      await systemctl('start', ...PROGRAMS);
      for (const program of PROGRAMS) await reads(program, 'one=denied two=read three=read');
      expect(await label('plain')).toBe('hostward (enforce)\n');
      expect(await label('strict')).toBe('hostward (enforce)\n');
      expect(await label('owned')).toBe('hostward//&owned (enforce)\n');
    },
    8 * MINUTES,
  );

  it(
    'are bound by each later rule set, and free of each that is gone, without a restart',
    async () => {
      await block('two');
      await block('three');
      for (const program of ['plain', 'strict'] as const)
        await reads(program, 'one=denied two=denied three=denied');
      await remove('one');
      await remove('three');
      for (const program of ['plain', 'strict'] as const)
        await reads(program, 'one=read two=denied three=read');
      const listed = (await uncovered()).filter((one) => /^\d+ (plain|strict)$/.test(one));
      expect(listed).toEqual([]);
    },
    10 * MINUTES,
  );

  it(
    'are free at once under break-glass, and bound again at its end',
    async () => {
      await fleet.product.must([
        'breakglass',
        '--node',
        'web1',
        '--mode',
        'off',
        '--for',
        '10m',
        '--reason',
        'test',
      ]);
      await reads('plain', 'one=read two=read three=read');
      const id = (await fleet.product.must(['get', 'suspensions', '-o', 'name'])).stdout.trim();
      await fleet.product.must(['breakglass', '--end', id]);
      await reads('plain', 'one=read two=denied three=read');
    },
    8 * MINUTES,
  );

  it(
    'with a profile of their own are named as uncovered while later rule sets may not reach them, until a restart',
    async () => {
      const pid = (await web1.ssh('systemctl show -P MainPID owned')).stdout.trim();
      await eventually(`coverage names ${pid} owned`, 3 * MINUTES, async () =>
        (await uncovered()).includes(`${pid} owned`),
      );
      await systemctl('restart owned');
      await reads('owned', 'one=read two=denied three=read');
      expect(
        (await web1.ssh('cat /sys/kernel/security/apparmor/policy/profiles/owned.*/mode')).stdout,
      ).toBe('enforce\n');
    },
    10 * MINUTES,
  );

  it(
    'and whose program is blocked keep running, do not start again while it is, and do under break-glass',
    async () => {
      await fleet.product.apply(
        blockProgram('no-plain', '/usr/local/bin/plain', PROD),
        '--wait',
        '--timeout',
        '110s',
      );
      await reads('plain', 'one=read two=denied three=read');
      await systemctl('stop plain');
      const start = (): Promise<{ code: number | null }> =>
        web1.ssh('systemctl restart plain; sleep 1; systemctl is-active --quiet plain', {
          allowFailure: true,
        });
      expect((await start()).code).not.toBe(0);
      await remove('no-plain');
      await eventually('plain starts', 3 * MINUTES, async () => (await start()).code === 0);
    },
    10 * MINUTES,
  );

  it(
    'are as before after PID 1 executed itself anew',
    async () => {
      await systemctl('daemon-reexec');
      expect((await web1.ssh('cat /proc/1/attr/apparmor/current')).stdout).toBe(
        'hostward-init (unconfined)\n',
      );
      await systemctl('restart plain strict hostward-sensor');
      expect(await label('plain')).toBe('hostward (enforce)\n');
      expect(await label('strict')).toBe('hostward (enforce)\n');
      await eventually('the sensor is exempt', 3 * MINUTES, async () => {
        const { stdout } = await web1.ssh(
          'cat /proc/$(systemctl show -P MainPID hostward-sensor)/attr/apparmor/current',
          { allowFailure: true },
        );
        return stdout === 'hostward-sensor (unconfined)\n';
      });
      await block('one');
      await reads('plain', 'one=denied two=denied three=read');
    },
    8 * MINUTES,
  );

  it(
    'are bound again when an exception ends, though the control plane is away',
    async () => {
      await fleet.product.must([
        'exception',
        'add',
        'two',
        '--selector',
        'env=prod',
        '--until',
        '60s',
        '--reason',
        'test',
      ]);
      await reads('plain', 'one=denied two=read three=read');
      await fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);
      try {
        await reads('plain', 'one=denied two=denied three=read');
      } finally {
        await fleet.product.start();
      }
    },
    8 * MINUTES,
  );

  it(
    'of a user run under ours, and so does their manager',
    async () => {
      await web1.ssh(USER);
      await systemctl('start user@2000');
      const manager = '$(systemctl show -P MainPID user@2000)';
      expect((await web1.ssh(`cat /proc/${manager}/attr/apparmor/current`)).stdout).toBe(
        'hostward (enforce)\n',
      );
      await web1.ssh(`${AS_USER} systemctl --user start look`);
      const { stdout } = await web1.ssh('cat /run/user/2000/looked');
      expect(stdout).toMatch(/Permission denied\nhostward \(enforce\)\n$/);
    },
    5 * MINUTES,
  );

  it(
    'and the compiler: it is in a profile of its own, so that no rules of the shell keep the next rule set away',
    async () => {
      await block('one');
      await systemctl('restart plain');
      await reads('plain', /^one=denied/);
      const forShell = blockFile('shell-may', '/srv/one', PROD, '/usr/bin/dash');
      await fleet.product.apply(forShell.replace('Block', 'Allow'), '--wait', '--timeout', '300s');
      await expectAllowed(web1, "/usr/bin/dash -c 'exec < /srv/one'");
      await reads('plain', /^one=denied/);
      await block('three');
      await reads('plain', /^one=denied .* three=denied$/);
      const { stdout } = await web1.ssh(
        'cat /proc/$(systemctl show -P MainPID hostward-compiler)/attr/apparmor/current',
      );
      expect(stdout).toBe('hostward-compiler (enforce)\n');
      const { stdout: log } = await web1.ssh(
        'journalctl -k --grep=profile=.hostward-compiler -q || true',
      );
      expect(log).toBe('');
    },
    8 * MINUTES,
  );
});
