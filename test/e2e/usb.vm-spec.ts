import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { alertsOf } from './support/alerts.js';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, isAllowed } from './support/guest.js';

const MINUTES = 60_000;

/** A policy about devices for every host here, in YAML's flow style. */
function devices(name: string, matchDevice: string, action: string, annotations = '{}'): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: ${name}, annotations: ${annotations}}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  device: {matchDevice: ${matchDevice}}
  action: ${action}
`;
}

const NO_STICKS = devices('no-sticks', '[{class: MASS-STORAGE}]', 'Block');
const AUDIT_MICE = devices('audit-mice', '[{class: 3, subClass: 1, protocol: 2}]', 'Audit');
const ONLY_KEYS = devices(
  'no-sticks',
  '[{class: HID, subClass: 1, protocol: 1}]',
  'Allow',
  '{hostward.io/posture: block}',
);

const GATES = 'cat /sys/bus/usb/devices/usb*/authorized_default';
const HAS_DISK = 'test -e /dev/sda -o -e /dev/sdb';
const USB_INPUTS = 'grep -c "^S:.*/usb" /proc/bus/input/devices';

/** On a kernel with USB, which the lab's own has not; D9 or D6 enforce the rest, the sensor itself this. */
describe('USB devices', () => {
  let fleet: Fleet;
  let vm: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    vm = await fleet.host('usb1', 'env=prod', 'apparmor', { usb: true });
  }, 12 * MINUTES);
  afterAll(() => fleet?.close());

  const plugStick = async (id: string): Promise<void> => {
    const file = join(fleet.lab.runDir, `${id}.raw`);
    await writeFile(file, Buffer.alloc(4 << 20));
    await vm.plugUsb('usb-storage', id, file);
  };
  const inputs = async (): Promise<number> =>
    Number((await vm.ssh(USB_INPUTS, { allowFailure: true })).stdout);
  const hasDisk = (): Promise<boolean> => isAllowed(vm, HAS_DISK);
  const alerts = async (policy: string): Promise<readonly object[]> =>
    (await alertsOf(fleet.product, policy)).filter(({ Operation }) => Operation === 'Device');

  it(
    'one that carries a filesystem of the system stays, and its rule says so; without it, it goes',
    async () => {
      await plugStick('first');
      await eventually('the disk is there', MINUTES, hasDisk);
      await vm.ssh('mkfs.ext4 -q /dev/sda && mount /dev/sda /boot');
      await fleet.product.apply(`${NO_STICKS}---\n${AUDIT_MICE}`);
      await eventually('the rule has failed for it', 3 * MINUTES, async () => {
        const { stdout } = await fleet.product.cli(['status', 'policy', 'no-sticks']);
        return /stays in use: a filesystem of the system is mounted\s+from it/.test(stdout);
      });
      await expectAllowed(vm, HAS_DISK);
      await vm.ssh('umount /boot');
      await fleet.product.must(['status', 'policy', 'no-sticks', '--wait', '--timeout', '300s']);
      expect(await hasDisk()).toBe(false);
      expect((await vm.ssh(GATES)).stdout).toBe('0\n0\n');
    },
    5 * MINUTES,
  );

  it(
    'what a rule refuses never becomes a disk, what none speaks of is used at once, and both are told',
    async () => {
      await plugStick('second');
      await vm.plugUsb('usb-kbd', 'keys');
      await vm.plugUsb('usb-mouse', 'mouse');
      await eventually('keyboard and mouse work', MINUTES, async () => (await inputs()) === 2);
      const { stdout } = await vm.ssh('dmesg');
      expect(stdout).toMatch(/Device is not authorized for usage/);
      expect(stdout.match(/USB Mass Storage device detected/g)).toHaveLength(1);
      const told = await eventually('the alerts are there', MINUTES, async () => {
        const found = await alerts('no-sticks');
        return found.length === 3 && found;
      });
      expect(told.at(-1)).toMatchObject({
        Resource: 'USB MASS-STORAGE',
        ProcessName: 'kernel',
        Data: expect.stringMatching(/ id=46f4:0001 level=1 serial=second$/),
        Enforcer: 'USBDeviceHandler',
        Action: 'Block',
        Result: 'Permission denied',
        RuleID: 'device/matchDevice/0',
      });
      const mice = await eventually('the mouse is told of', MINUTES, async () => {
        const found = await alerts('audit-mice');
        return found.length > 0 && found;
      });
      expect(mice[0]).toMatchObject({ Resource: 'USB HID', Action: 'Audit', Result: 'Passed' });
    },
    5 * MINUTES,
  );

  it(
    'while the sensor is away nothing new is used; it judges what came, and takes back what was let in by hand',
    async () => {
      await vm.ssh('systemctl stop hostward-sensor');
      await vm.unplugUsb('keys');
      await plugStick('third');
      await vm.plugUsb('usb-tablet', 'tablet');
      await vm.ssh('sleep 3');
      expect([await inputs(), await hasDisk()]).toEqual([1, false]);
      await vm.ssh('systemctl start hostward-sensor');
      await eventually('the tablet is used', MINUTES, async () => (await inputs()) === 2);
      await vm.ssh(
        'cd /sys/bus/usb/devices && for d in $(grep -l third */serial); do echo 1 > ${d%/*}/authorized; done; echo 1 > usb1/authorized_default',
      );
      await eventually('it is as it was', MINUTES, async () => {
        const { stdout } = await vm.ssh(GATES);
        return stdout === '0\n0\n' && !(await hasDisk());
      });
      const status = await eventually('the drift is reported', MINUTES, async () => {
        const { stdout } = await fleet.product.cli(['status', 'node', 'usb1']);
        return /USB: device \S+ was let in by hand.*repaired/.test(stdout) && stdout;
      });
      expect(status).toMatch(/USB: new devices on usb1 were let in by hand/);
    },
    5 * MINUTES,
  );

  it(
    'a list lets in what it names; without a rule everything is used, as before',
    async () => {
      await fleet.product.apply(ONLY_KEYS, '--wait', '--timeout', '300s');
      await vm.plugUsb('usb-kbd', 'other-keys');
      await eventually(
        'of the three the keyboard works',
        MINUTES,
        async () => (await inputs()) === 1,
      );
      expect(await hasDisk()).toBe(false);
      await fleet.product.must(['delete', 'policy', 'no-sticks']);
      await eventually('all is given back', MINUTES, async () => {
        const { stdout } = await vm.ssh(GATES);
        return stdout === '1\n1\n' && (await hasDisk()) && (await inputs()) === 3;
      });
    },
    5 * MINUTES,
  );
});
