import type { Vm } from '#testing';
import { eventually } from './eventually.js';
import { isAllowed } from './guest.js';

const SCRIPT = `#!/bin/sh
/usr/bin/sleep 0.01 2>/run/hw-early-probe.err
echo $? >/run/hw-early-probe
`;
const UNIT = [
  '[Unit]',
  'DefaultDependencies=no',
  'After=hostward-early.service',
  'Before=network-pre.target',
  'Wants=network-pre.target',
  '[Service]',
  'Type=oneshot',
  'ExecStart=/usr/local/sbin/hw-early-probe',
  '[Install]',
  'WantedBy=sysinit.target',
  '',
].join('\n');

/** From the next boot on, `sleep` is tried after the early unit and before the network. */
export async function installEarlyProbe(vm: Vm): Promise<void> {
  await vm.writeFile('/usr/local/sbin/hw-early-probe', SCRIPT, 0o755);
  await vm.writeFile('/etc/systemd/system/hw-early-probe.service', UNIT);
  await vm.ssh('systemctl daemon-reload && systemctl enable hw-early-probe.service');
}

/** Exit code and words of that `sleep`, once it was tried in this boot. */
export async function earlyProbe(vm: Vm): Promise<string> {
  await eventually('the early probe ran', 60_000, () =>
    isAllowed(vm, 'test -s /run/hw-early-probe'),
  );
  const { stdout } = await vm.ssh('cat /run/hw-early-probe /run/hw-early-probe.err');
  return stdout;
}
