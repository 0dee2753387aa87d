import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DebianRelease, Vm } from '#testing';
import { alertsOf, denialsIn, lostOn } from './support/alerts.js';
import { expectArgumentsJudged } from './support/arguments.js';
import { earlyProbe, installEarlyProbe } from './support/early-probe.js';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { ASK_EVIL, expectNamesJudged } from './support/names.js';
import { blockFile, blockProgram } from './support/policies.js';
import { whileProbing } from './support/probe-loop.js';
import { swapStorm } from './support/swap-storm.js';
import { expectListLeavesUnnamed, expectSnifferDeaf } from './support/without-path.js';
import { expectWatching } from './support/watching.js';

const MINUTES = 60_000;
const isFull = process.env['HOSTWARD_FULL'] === '1';
const PROD = { env: 'prod' };
const SECRET = '/srv/secret/a';
const SLEEP = '/usr/bin/sleep';

const BLOCK_SECRET = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: no-secret}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  file:
    matchDirectories: [{dir: /srv/secret/, recursive: true}]
    matchPatterns: [{pattern: '/mnt/*/secret'}]
  action: Block
`;

/** A rule a file, so that each is throttled for itself: more records than the ring holds. */
const MANY_FILES = Array.from({ length: 250 }, (_, i) => `/srv/many/f${i}`);
const BLOCK_MANY = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: many}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  file: {matchPaths: ${JSON.stringify(MANY_FILES.map((path) => ({ path })))}}
  action: Block
`;
const BURST = '/usr/local/sbin/burst.py';

/** Opens a map of the programs for writing: BPF_OBJ_GET of bpf(2). */
const OPEN_MAP = `python3 - <<'END'
import ctypes, glob, os, struct
libc = ctypes.CDLL(None, use_errno=True)
path = ctypes.create_string_buffer(glob.glob('/sys/fs/bpf/hostward/*/rules')[0].encode())
if libc.syscall(321, 7, ctypes.create_string_buffer(struct.pack('Q', ctypes.addressof(path)), 128), 128) < 0:
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
END`;

/** Tries to open the secret without a pause, for 18 s and until it has tried often. */
const OPEN_ALL_THE_TIME = `python3 - > /run/tight.json <<'END'
import json, os, time
tries = through = 0
end = time.monotonic() + 18
while time.monotonic() < end or tries <= 10_000:
    for _ in range(200):
        try:
            os.close(os.open('${SECRET}', os.O_RDONLY))
            through += 1
        except PermissionError:
            tries += 1
print(json.dumps({'tries': tries, 'through': through}))
END
touch /run/tight.done
`;

const MOUNT = `import ctypes, json, os, sys, time
MS_BIND, MNT_DETACH = 4096, 2
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        sys.exit(f'{name}: {os.strerror(ctypes.get_errno())}')
`;

const MOUNT_STORM = '/usr/local/sbin/mount-storm.py';

/** The root filesystem has a second name, so that its files are judged by the map of mounts, and that map always changes. */
const MOUNT_ALL_THE_TIME = `${MOUNT}
call('mount', b'/srv/open', b'/mnt/bound', None, MS_BIND, None)
mounts = 0
end = time.monotonic() + 20
while time.monotonic() < end or not os.path.exists('/run/tight.done') or mounts <= 100:
    for arguments in ((b'none', b'/mnt/fresh', b'tmpfs', 0, None), (b'/srv/open', b'/mnt/fresh', None, MS_BIND, None)):
        call('mount', *arguments)
        call('umount2', b'/mnt/fresh', MNT_DETACH)
        mounts += 1
call('umount2', b'/mnt/bound', MNT_DETACH)
print(json.dumps({'mounts': mounts}))
`;

/** A mount point whose path is nearly as long as a path can be, and two files below it. */
const OPEN_BELOW_A_DEEP_MOUNT = `${MOUNT}
os.chdir('/mnt/fresh')
for _ in range(15):
    os.mkdir('d' * 250)
    os.chdir('d' * 250)
call('mount', b'none', b'.', b'tmpfs', 0, None)
os.chdir(os.path.join('..', 'd' * 250))
for name, length in (('near', 100), ('far', 250)):
    os.mkdir(name[0] * length)
    os.chdir(name[0] * length)
    os.mkdir('e' * length)
    try:
        os.close(os.open('e' * length + '/x', os.O_CREAT | os.O_WRONLY))
        print(name + ': opened')
    except PermissionError as error:
        print(f'{name}: {error.strerror}')
    os.chdir('..')
os.chdir('/')
os.system('umount -l $(awk "/ddddd/ {print \\$2}" /proc/mounts); rm -r /mnt/fresh/ddd*')
`;

interface Host {
  readonly release: DebianRelease;
  readonly kernel: string;
  /** Debian 12's parser is too old for our profiles. */
  readonly appArmor: boolean;
}
const HOST: Host = { release: 'trixie', kernel: '6.12', appArmor: true };
const OLDER_HOST: Host = { release: 'bookworm', kernel: '6.1', appArmor: false };

/** What only the BPF enforcer can do, and that it stays: D6 and D7 on a real kernel. */
describe.each(isFull ? [HOST, OLDER_HOST] : [HOST])('the BPF enforcer, kernel $kernel', (host) => {
  let fleet: Fleet;
  let vm: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start({ release: host.release });
    vm = await fleet.host('web1', 'env=prod', 'bpf');
    expect((await vm.ssh('uname -r')).stdout.startsWith(`${host.kernel}.`)).toBe(true);
    await vm.ssh(
      'mkdir -p /srv/secret /srv/open /mnt/fresh /mnt/bound; echo s3 > /srv/secret/a; cp /srv/secret/a /srv/secret/b; ' +
        'echo o > /srv/open/a; ' +
        'chmod -R a+rX /srv; id someone 2>/dev/null || useradd someone',
    );
    await fleet.product.apply(blockProgram('no-sleep', SLEEP, PROD), '--wait', '--timeout', '300s');
    await fleet.product.apply(BLOCK_SECRET, '--wait', '--timeout', '300s');
  }, 12 * MINUTES);
  afterAll(() => fleet?.close());

  const node = async (): Promise<string> =>
    (await fleet.product.cli(['status', 'node', 'web1'])).stdout;
  const asSomeone = (command: string): string =>
    `setpriv --reuid=someone --regid=someone --clear-groups ${command}`;

  it(
    'labels make it watch what happens beside what it enforces',
    () => expectWatching(fleet.product, vm, 'web1'),
    5 * MINUTES,
  );

  it(
    'kills of the sensor at random moments let nothing through a tight loop',
    async () => {
      const kills = async (): Promise<void> => {
        for (let kill = 0; kill < (isFull ? 200 : 10); kill += 1) {
          await vm.ssh(
            `python3 -c 'import random, time; time.sleep(random.random())'; systemctl kill -s KILL hostward-sensor`,
          );
        }
      };
      const count = await whileProbing(vm, SECRET, SLEEP, kills, 'kill');
      process.stdout.write(`probes while the sensor was killed: ${JSON.stringify(count)}\n`);
      await eventually('the sensor is back', MINUTES, () =>
        isAllowed(vm, 'systemctl is-active --quiet hostward-sensor'),
      );
      await fleet.product.must(['status', 'policy', 'no-secret', '--wait', '--timeout', '300s']);
      const { stdout } = await vm.ssh(
        'journalctl -u hostward-sensor -o short-monotonic --no-pager',
      );
      if (count.through > 0) process.stdout.write(stdout);
      expect(count.holes).toEqual([]);
      expect(count.tries).toBeGreaterThan(1000);
      expect(stdout).not.toMatch(/cannot be pinned|read-back-failed/);
    },
    (isFull ? 40 : 5) * MINUTES,
  );

  it(
    'pins that are removed while the sensor is stopped, and it alone guards them, are made again at its start',
    async () => {
      await expectBlocked(vm, 'rm -r /sys/fs/bpf/hostward');
      await vm.ssh('systemctl stop hostward-sensor && rm -r /sys/fs/bpf/hostward');
      await vm.ssh('systemctl start hostward-sensor', { timeoutMs: 2 * MINUTES });
      await expectBlocked(vm, `cat ${SECRET}`);
      await expectAllowed(vm, 'test -e /sys/fs/bpf/hostward/*/table');
      await fleet.product.must(['status', 'policy', 'no-secret', '--wait', '--timeout', '300s']);
    },
    5 * MINUTES,
  );

  // programs of an earlier life went on with its rules
  it(
    'one pin that is missing when it starts leaves nothing of the earlier life in force',
    async () => {
      await vm.ssh('systemctl stop hostward-sensor && rm /sys/fs/bpf/hostward/*/link-4');
      await vm.ssh('systemctl start hostward-sensor', { timeoutMs: 2 * MINUTES });
      await expectBlocked(vm, `cat ${SECRET}`);
      await expectBlocked(vm, 'sleep 0.01');
      await vm.ssh('hostward-sensor suspend --mode off --for 10m --reason test');
      // The kernel takes the earlier programs off one after the other.
      await eventually('nothing of them is left', 2 * MINUTES, () =>
        isAllowed(vm, `cat ${SECRET} > /dev/null && sleep 0.01`),
      );
      await vm.ssh('hostward-sensor resume', { timeoutMs: 2 * MINUTES });
      await eventually('it is blocked again', 2 * MINUTES, () => isBlocked(vm, `cat ${SECRET}`));
      await fleet.product.must(['delete', 'policy', 'no-secret']);
      await eventually('the rule is gone', 2 * MINUTES, () =>
        isAllowed(vm, `cat ${SECRET} > /dev/null`),
      );
      // Whoever takes over what is pinned now takes over the programs of one life.
      await vm.ssh('systemctl restart hostward-sensor', { timeoutMs: 2 * MINUTES });
      await expectAllowed(vm, `cat ${SECRET} > /dev/null`);
      await expectBlocked(vm, 'sleep 0.01');
      await fleet.product.apply(BLOCK_SECRET, '--wait', '--timeout', '300s');
      await expectBlocked(vm, `cat ${SECRET}`);
    },
    8 * MINUTES,
  );

  // a slow machine on which the sensor never came up
  it(
    'starts although the kernel takes longer to verify its programs than the watchdog waits',
    async () => {
      const dropIn = '/run/systemd/system/hostward-sensor.service.d/hasty.conf';
      const show = (property: string): string => `systemctl show hostward-sensor -P ${property}`;
      /** Milliseconds from the process to its readiness, its programs having been taken out of the kernel. */
      const startAfresh = async (): Promise<number> => {
        await vm.ssh('systemctl stop hostward-sensor && rm -r /sys/fs/bpf/hostward');
        const { stdout } = await vm.ssh(
          `systemctl start hostward-sensor && ${show('ExecMainStartTimestampMonotonic')} && ` +
            `${show('ActiveEnterTimestampMonotonic')}; rm -f ${dropIn}; systemctl daemon-reload`,
          { timeoutMs: 2 * MINUTES },
        );
        const [began, ready] = stdout.split('\n').map(Number);
        return ((ready ?? 0) - (began ?? 0)) / 1_000;
      };
      const patienceMs = Math.floor((await startAfresh()) / 4);
      expect(patienceMs).toBeGreaterThan(50);
      await vm.writeFile(dropIn, `[Service]\nWatchdogSec=${patienceMs}ms\n`);
      await vm.ssh('systemctl daemon-reload');
      expect(await startAfresh()).toBeGreaterThan(patienceMs);
      await vm.ssh('systemctl restart hostward-sensor'); // it would go on as hastily
      await expectBlocked(vm, `cat ${SECRET}`);
      await fleet.product.must(['status', 'policy', 'no-secret', '--wait', '--timeout', '300s']);
    },
    5 * MINUTES,
  );

  it(
    'unloading at the console takes it out of the kernel, over a restart too, until it is resumed',
    async () => {
      await vm.ssh('hostward-sensor unload');
      await expectAllowed(vm, `cat ${SECRET} > /dev/null && ! test -e /sys/fs/bpf/hostward/*`);
      await vm.ssh('systemctl restart hostward-sensor');
      await expectAllowed(vm, `cat ${SECRET} > /dev/null`);
      await vm.ssh('hostward-sensor resume', { timeoutMs: 2 * MINUTES });
      await eventually('it is blocked again', 2 * MINUTES, () => isBlocked(vm, `cat ${SECRET}`));
    },
    5 * MINUTES,
  );

  it(
    'a rule set is swapped at once: what starts and runs meanwhile is judged by the one or the other, and nothing stays',
    async () => {
      const figures = await swapStorm(fleet.product, vm, isFull ? 10_000 : 100);
      process.stdout.write(`swaps under load: ${JSON.stringify(figures)}\n`);
      const { wrong, broken, programs, opens, maps, kernelKib } = figures;
      expect({ wrong, broken }).toEqual({ wrong: 0, broken: 0 });
      expect([programs > 50, opens > 5_000]).toEqual([true, true]);
      expect(maps[1]).toBeLessThanOrEqual(maps[0] + 3); // the last ones may be let go of a moment later
      expect(kernelKib[1] - kernelKib[0]).toBeLessThan(8 * 1024);
      await eventually('it is blocked again', 2 * MINUTES, () => isBlocked(vm, `cat ${SECRET}`));
    },
    (isFull ? 90 : 10) * MINUTES,
  );

  it(
    'a denial says who acted, where, in which order and under which assignment',
    async () => {
      const script =
        "cat /srv/secret/a; cat /srv/secret/b; cat /srv/secret/a; exec python3 -c 'import time; time.sleep(20)'";
      await vm.ssh(
        'systemd-run -q --unit=actor --uid=someone ' +
          `-p WorkingDirectory=/tmp -p StandardInput=null sh -c ${JSON.stringify(script)}`,
      );
      await vm.ssh(`python3 -c "import pty; pty.spawn(['cat', '${SECRET}'])"`);
      const uid = Number((await vm.ssh('id -u someone')).stdout);
      const told = async () =>
        (await alertsOf(fleet.product, 'no-secret')).filter(
          (alert) => alert.UID === uid && alert.Cwd === '/tmp/',
        );
      await eventually('the alerts are there', MINUTES, async () => (await told()).length >= 3);
      const alerts = await told();
      expect(alerts.map(({ Resource }) => Resource)).toEqual([SECRET, '/srv/secret/b', SECRET]);
      const boot = (await vm.ssh('cat /proc/sys/kernel/random/boot_id')).stdout.slice(0, 8);
      expect(alerts[0]).toMatchObject({
        UID: uid,
        CGroup: '/system.slice/actor.service',
        ExecEvent: { ExecID: expect.stringContaining(`${boot}-`), ExecutableName: '/usr/bin/cat' },
        ProcessName: '/usr/bin/cat',
        Parents: [{ Name: 'sh' }, { PID: 1, Name: 'systemd' }],
        Inode: expect.stringMatching(/^[0-9]+$/),
        Device: expect.stringMatching(/^[0-9]+:[0-9]+$/),
        Generation: expect.stringMatching(/^[0-9]+$/),
      });
      expect(new Set(alerts.map(({ ExecEvent }) => ExecEvent?.ExecID)).size).toBe(3);
      await eventually('the terminal is told', MINUTES, async () =>
        (await alertsOf(fleet.product, 'no-secret')).some(({ TTY }) =>
          /^pts[0-9]+$/.test(TTY ?? ''),
        ),
      );
    },
    3 * MINUTES,
  );

  it(
    'each of thousands of denials in a moment is told: as an alert, by its number, or as lost',
    async () => {
      await vm.writeFile(BURST, readFileSync(new URL('support/burst.py', import.meta.url), 'utf8'));
      await vm.ssh('mkdir -p /srv/many; for i in $(seq 0 249); do echo x > /srv/many/f$i; done');
      await fleet.product.apply(BLOCK_MANY, '--wait', '--timeout', '300s');
      const lostBefore = await lostOn(vm);
      const burst = async (times: number) =>
        Number(
          (await vm.ssh(`python3 ${BURST} ${times} /srv/many/f*`, { timeoutMs: 2 * MINUTES }))
            .stdout,
        );
      // Nobody reads: the ring is too small for what is not throttled.
      await vm.ssh('systemctl kill -s STOP hostward-sensor');
      const first = await burst(16).finally(() => vm.ssh('systemctl kill -s CONT hostward-sensor'));
      const second = await burst(8);
      expect([first, second]).toEqual([4000, 2000]);
      const account = async () => {
        const lost = (await lostOn(vm)) - lostBefore;
        const alerts = await alertsOf(fleet.product, 'many');
        return { alerts: alerts.length, told: denialsIn(alerts), lost };
      };
      await eventually('all are accounted for', 4 * MINUTES, async () => {
        const { told, lost } = await account();
        return told + lost >= first + second;
      });
      const { alerts, told, lost } = await account();
      process.stdout.write(
        `of ${first + second} denials: ${alerts} alerts for ${told}, ${lost} lost\n`,
      );
      expect(told + lost).toBe(first + second);
      expect(lost).toBeGreaterThan(0);
      const own = (await alertsOf(fleet.product)).filter(({ Type }) => Type === 'SystemEvent');
      expect(own.map(({ Message }) => Message)).toContainEqual(
        expect.stringMatching(/^lost \([0-9]+\): the ring of the BPF programs was full/),
      );
      await eventually('the status of the host says so', MINUTES, async () =>
        /lost alerts and records: [0-9]+ by ring/.test(await node()),
      );
    },
    8 * MINUTES,
  );

  it(
    'noise of one rule and process hides no other',
    async () => {
      const ofTheQuiet = async (): Promise<number> =>
        (await alertsOf(fleet.product, 'many')).filter(({ Resource }) => Resource === MANY_FILES[7])
          .length;
      const before = await ofTheQuiet();
      await vm.ssh(`python3 ${BURST} 2000 ${SECRET} & python3 ${BURST} 1 ${MANY_FILES[7]}; wait`);
      await eventually('it has its alert', MINUTES, async () => (await ofTheQuiet()) > before);
    },
    3 * MINUTES,
  );

  it(
    'attempts on the sensor are refused and told as a kind of their own',
    async () => {
      const pid = (await vm.ssh('systemctl show -p MainPID --value hostward-sensor')).stdout.trim();
      for (const attempt of [
        `kill -9 ${pid}`,
        `python3 -c "open('/proc/${pid}/mem', 'rb')"`,
        OPEN_MAP,
        'rm /sys/fs/bpf/hostward/*/rules',
        'umount /sys/fs/bpf 2>&1 | sed s/superuser/"Permission denied"/; false',
      ])
        await expectBlocked(vm, attempt);
      const wanted = [
        /^signal 9 to the sensor was refused$/,
        /^tracing the sensor was refused$/,
        /^opening map [0-9]+ of the sensor to write was refused$/,
        /^removing the pin \/sys\/fs\/bpf\/hostward\/.*\/rules was refused$/,
        /^unmounting the filesystem of the pins was refused$/,
      ];
      await eventually('each has its alert', MINUTES, async () => {
        const told = (await alertsOf(fleet.product)).filter(({ Type }) => Type === 'SensorGuard');
        return wanted.every((words) => told.some(({ Message = '' }) => words.test(Message)));
      });
    },
    3 * MINUTES,
  );

  it(
    'what is refused since no rule could be asked about it has its alert, which says why',
    async () => {
      await expectBlocked(
        vm,
        `cd /run && python3 -c 'import os
for _ in range(20): os.mkdir("d" * 250); os.chdir("d" * 250)'`,
      );
      await eventually('it has its alert', MINUTES, async () =>
        (await alertsOf(fleet.product)).some(
          ({ PolicyName, Data, Resource, Result }) =>
            PolicyName === 'DefaultPosture' &&
            / info=refused unasked: its path is longer/.test(Data ?? '') &&
            Resource === '' &&
            Result === 'Permission denied',
        ),
      );
    },
    2 * MINUTES,
  );

  it('the console says which rule of the loaded table decides', async () => {
    const ask = async (words: string): Promise<unknown> =>
      JSON.parse((await vm.ssh(`hostward-sensor explain ${words}`)).stdout) as unknown;
    expect(await ask(`--program /usr/bin/cat --path ${SECRET} --operation read`)).toMatchObject({
      mode: 'enforce',
      verdict: 'denied',
      rule: { policy: 'no-secret', rule: 'file/matchDirectories/0', action: 'Block' },
    });
    expect(await ask(`--path ${SLEEP} --operation exec`)).toMatchObject({
      verdict: 'denied',
      rule: { policy: 'no-sleep', rule: 'process/matchPaths/0' },
    });
    expect(await ask('--path /srv/open/a --operation read')).toMatchObject({ verdict: 'allowed' });
  });

  it('what stands beside the blocked objects works', async () => {
    await expectAllowed(vm, 'cat /srv/open/a');
    await expectAllowed(vm, 'chroot / cat /srv/open/a');
    await expectAllowed(vm, asSomeone('unshare -Urm cat /srv/open/a'));
  });

  it('a filesystem mounted a moment ago, of which the sensor has not told yet, is judged by its place', async () => {
    await vm.ssh('systemctl kill -s STOP hostward-sensor && mount -t tmpfs none /mnt/fresh');
    try {
      await expectBlocked(vm, 'echo x > /mnt/fresh/secret');
    } finally {
      await vm.ssh('systemctl kill -s CONT hostward-sensor; umount /mnt/fresh');
    }
  });

  // a path that is too long on a filesystem mounted a moment ago
  it('a file there whose path is too long to be told is refused', async () => {
    const { stdout } = await vm.ssh(`python3 - <<'END'
${OPEN_BELOW_A_DEEP_MOUNT}END`);
    expect(stdout.trim().split('\n')).toEqual(['near: opened', 'far: Permission denied']);
  });

  // a moved folder took a mount to a path that nobody was told of
  it(
    'follows a mount whose folder is moved',
    async () => {
      await vm.ssh(
        'mkdir -p /srv/from/vol && mount -t tmpfs none /srv/from/vol && echo s > /srv/from/vol/secret',
      );
      await fleet.product.apply(
        blockFile('moved', '/srv/to/vol/secret', PROD),
        ...['--wait', '--timeout', '300s'],
      );
      await vm.ssh('mv /srv/from /srv/to');
      await eventually('it is blocked there', MINUTES, () =>
        isBlocked(vm, 'cat /srv/to/vol/secret'),
      );
      await fleet.product.must(['delete', 'policy', 'moved', '--wait', '--timeout', '300s']);
      await vm.ssh('umount /srv/to/vol && rm -r /srv/to');
    },
    5 * MINUTES,
  );

  // one of 3,759 tries got through
  it(
    'mounts that come and go let nothing through the tightest loop',
    async () => {
      await vm.writeFile(MOUNT_STORM, MOUNT_ALL_THE_TIME);
      const { stdout } = await vm.ssh(
        `python3 ${MOUNT_STORM} > /run/mounts.json & storm=$!; ${OPEN_ALL_THE_TIME}wait $storm && cat /run/tight.json /run/mounts.json`,
        { timeoutMs: 5 * MINUTES },
      );
      process.stdout.write(`opens while mounts came and went: ${stdout}`);
      const [opened, mounted] = stdout.trim().split('\n');
      const { tries, through } = JSON.parse(opened ?? '') as { tries: number; through: number };
      const { mounts } = JSON.parse(mounted ?? '') as { mounts: number };
      expect(through).toBe(0);
      expect([tries > 10_000, mounts > 100]).toEqual([true, true]);
    },
    8 * MINUTES,
  );

  it(
    'names that are asked of DNS are refused, and nobody detaches what refuses them for long',
    () => expectNamesJudged(fleet.product, vm),
    5 * MINUTES,
  );

  it(
    'a program with arguments that are not allowed is killed before it does anything',
    () => expectArgumentsJudged(fleet.product, vm),
    5 * MINUTES,
  );

  // a list of files that made the sensor deaf
  it(
    'a list of files for everybody leaves pipes, shared memory, units and what the sensor hears',
    () => expectListLeavesUnnamed(fleet.product, vm),
    8 * MINUTES,
  );

  it(
    'a socket from before the rules hears nothing more',
    () => expectSnifferDeaf(fleet.product, vm),
    8 * MINUTES,
  );

  it(
    'break-glass turns it to audit, with alerts, and back',
    async () => {
      const { stdout } = await fleet.product.must([
        ...['breakglass', '--node', 'web1', '--mode', 'audit', '--for', '10m', '--reason', 'test'],
      ]);
      await eventually('sleep runs', MINUTES, () => isAllowed(vm, 'sleep 0.01'));
      await fleet.product.must([
        ...['breakglass', '--end', /suspension\/(\S+):/.exec(stdout)?.[1] ?? ''],
      ]);
      await eventually('sleep is blocked again', MINUTES, () => isBlocked(vm, 'sleep 0.01'));
    },
    4 * MINUTES,
  );

  (host.appArmor ? it : it.skip)(
    'going to AppArmor and back leaves no gap for what starts anew; auto goes by what is proved, and says so',
    async () => {
      const wish = (enforcer: string): string =>
        `sed -i 's/^enforcer: .*/enforcer: ${enforcer}/' /etc/hostward/agent.yaml`;
      // Without addresses the programs are not to be loaded: found when they are, and when the sensor starts.
      const hide = (restrict: number): string => `sysctl -q kernel.kptr_restrict=${restrict}`;
      for (const [change, words] of [
        [wish('apparmor'), 'why apparmor: agent.yaml asks for it'],
        [
          `${hide(2)}; ${wish('auto')}`,
          'why apparmor: BPF-LSM is active, but no denial by it was proved',
        ],
        [
          `${hide(0)}; systemctl restart hostward-sensor`,
          'why bpf: BPF-LSM denied what it was asked to',
        ],
      ] as const) {
        await vm.ssh(change);
        await eventually(words, 3 * MINUTES, async () => {
          await expectBlocked(vm, 'sleep 0.01');
          await expectBlocked(vm, `cat ${SECRET}`);
          return (await node()).includes(words);
        });
      }
      await fleet.product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s']);
    },
    6 * MINUTES,
  );

  it(
    'after a reboot with the control plane away it is enforced before the network is up',
    async () => {
      await installEarlyProbe(vm);
      await fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);
      await vm.reboot();
      expect(await earlyProbe(vm)).toMatch(/^126\n[\s\S]*Permission denied/);
      await expectBlocked(vm, `cat ${SECRET}`);
      await expectBlocked(vm, ASK_EVIL);
      // What early boot loaded knows the host's mounts from those of services, which have namespaces of their own.
      await expectAllowed(vm, '! mount -t tmpfs none /srv/secret && ! mountpoint -q /srv/secret');
      await expectAllowed(
        vm,
        'systemd-run -q --wait -p ProtectProc=invisible -p PrivateTmp=yes true',
      );
      const booted = await vm.ssh('journalctl -b --no-pager');
      expect(booted.stdout).not.toMatch(/Failed at step NAMESPACE/);
      await fleet.product.start();
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
    },
    10 * MINUTES,
  );
});

if (!isFull) {
  it.skip('the BPF enforcer, kernel 6.1 (skipped: takes minutes, run with --full)', () =>
    undefined);
}
