import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { earlyProbe, installEarlyProbe } from './support/early-probe.js';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { whileProbing } from './support/probe-loop.js';

const MINUTES = 60_000;
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

/** What only the BPF enforcer can do, and that it stays: DESIGN D6 and D7 on a real kernel. */
describe('the BPF enforcer', () => {
  let fleet: Fleet;
  let vm: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    vm = await fleet.host('web1', 'env=prod', 'bpf');
    await vm.ssh(
      'mkdir -p /srv/secret /srv/open /mnt/fresh; echo s3 > /srv/secret/a; echo o > /srv/open/a; ' +
        'chmod -R a+rX /srv; id someone 2>/dev/null || useradd someone',
    );
    await fleet.product.apply(blockProgram('no-sleep', SLEEP, PROD), '--wait', '--timeout', '120s');
    await fleet.product.apply(BLOCK_SECRET, '--wait', '--timeout', '60s');
  }, 12 * MINUTES);
  afterAll(() => fleet?.close());

  const node = async (): Promise<string> =>
    (await fleet.product.cli(['status', 'node', 'web1'])).stdout;
  const asSomeone = (command: string): string =>
    `setpriv --reuid=someone --regid=someone --clear-groups ${command}`;

  it(
    'kills of the sensor at random moments let nothing through a tight loop',
    async () => {
      const count = await whileProbing(vm, SECRET, SLEEP, async () => {
        for (let kill = 0; kill < 10; kill += 1) {
          await vm.ssh(
            `python3 -c 'import random, time; time.sleep(random.random())'; systemctl kill -s KILL hostward-sensor`,
          );
        }
      });
      process.stdout.write(`probes while the sensor was killed: ${JSON.stringify(count)}\n`);
      expect(count.through).toBe(0);
      expect(count.tries).toBeGreaterThan(1000);
      await eventually('the sensor is back', MINUTES, () =>
        isAllowed(vm, 'systemctl is-active --quiet hostward-sensor'),
      );
      await fleet.product.must(['status', 'policy', 'no-secret', '--wait', '--timeout', '60s']);
      const { stdout } = await vm.ssh('journalctl -u hostward-sensor --no-pager');
      expect(stdout).not.toMatch(/cannot be pinned|read-back-failed/);
    },
    5 * MINUTES,
  );

  it(
    'pins that are removed while the sensor is stopped, and it alone guards them, are made again at its start',
    async () => {
      await expectBlocked(vm, 'rm -r /sys/fs/bpf/hostward');
      await vm.ssh('systemctl stop hostward-sensor && rm -r /sys/fs/bpf/hostward');
      await vm.ssh('systemctl start hostward-sensor', { timeoutMs: 2 * MINUTES });
      await expectBlocked(vm, `cat ${SECRET}`);
      await expectAllowed(vm, 'test -e /sys/fs/bpf/hostward/*/table');
      await fleet.product.must(['status', 'policy', 'no-secret', '--wait', '--timeout', '60s']);
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

  it(
    'going to AppArmor and back leaves no gap for what starts anew',
    async () => {
      for (const enforcer of ['apparmor', 'bpf']) {
        await vm.ssh(`sed -i 's/^enforcer: .*/enforcer: ${enforcer}/' /etc/hostward/agent.yaml`);
        await eventually(`${enforcer} enforces`, 2 * MINUTES, async () => {
          await expectBlocked(vm, 'sleep 0.01');
          await expectBlocked(vm, `cat ${SECRET}`);
          return (await node()).includes(enforcer);
        });
      }
      await fleet.product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '60s']);
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
      await fleet.product.start();
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '120s'],
        3 * MINUTES,
      );
    },
    10 * MINUTES,
  );
});
