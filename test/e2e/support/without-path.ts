import { expect } from '@jest/globals';
import type { Vm } from '#testing';
import { alertsOf } from './alerts.js';
import { eventually } from './eventually.js';
import { expectAllowed, expectBlocked, isAllowed } from './guest.js';
import type { Product } from './product.js';

const MINUTES = 60_000;

/** A list of files for everybody: it names no pipe, no shared memory and no map of BPF, for none of these has a path. */
const LIST_OF_FILES = JSON.stringify({
  apiVersion: 'security.kubearmor.com/v1',
  kind: 'KubeArmorHostPolicy',
  metadata: { name: 'files-listed', annotations: { 'hostward.io/posture': 'block' } },
  spec: {
    nodeSelector: { matchLabels: { env: 'prod' } },
    file: {
      matchDirectories: [
        ...['usr', 'etc', 'var', 'run', 'dev', 'proc', 'home', 'root', 'tmp', 'boot'],
      ].map((dir) => ({ dir: `/${dir}/`, recursive: true })),
    },
    action: 'Allow',
  },
});

/** Listens to everything by a socket from before the rules until that is refused, then ends. */
const SNIFF = `import errno, socket
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.settimeout(1)
open('/run/sniffing', 'w').close()
while True:
    try:
        heard.recv(64)
    except TimeoutError:
        pass
    except PermissionError:
        break
`;

const BLOCK_RAW = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: no-raw}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  network:
    matchProtocols: [{protocol: raw, fromSource: [{path: /usr/bin/python3.13}]}]
  action: Block
`;

/** What has no path is used, and told of, under a list of files: by programs, systemd and the sensor itself. */
export async function expectListLeavesUnnamed(product: Product, vm: Vm): Promise<void> {
  await product.apply(LIST_OF_FILES, '--wait', '--timeout', '300s');
  await vm.ssh('systemctl restart hostward-sensor', { timeoutMs: 2 * MINUTES });
  await expectBlocked(vm, 'cat /srv/open/a');
  await expectAllowed(vm, 'echo heard > /dev/stdout | cat');
  await expectAllowed(vm, `python3 -c 'import mmap; mmap.mmap(-1, 4096, flags=mmap.MAP_SHARED)'`);
  await expectAllowed(vm, 'systemd-run -q --wait true');
  await eventually('its denial is told', 2 * MINUTES, async () =>
    (await alertsOf(product)).some(({ Resource }) => Resource === '/srv/open/a'),
  );
  const { stdout } = await vm.ssh('journalctl -u hostward-sensor --no-pager');
  expect(stdout).not.toMatch(/records of denials cannot be read/);
  await product.must(['delete', 'policy', 'files-listed', '--wait', '--timeout', '300s']);
  await expectAllowed(vm, 'cat /srv/open/a');
}

/** A socket that was there before the rule that blocks its kind is refused at the next thing it would hear. */
export async function expectSnifferDeaf(product: Product, vm: Vm): Promise<void> {
  await vm.writeFile('/run/sniff.py', SNIFF);
  await vm.ssh('systemd-run -q --unit=sniffer /usr/bin/python3.13 /run/sniff.py');
  await eventually('it listens', MINUTES, () => isAllowed(vm, 'test -e /run/sniffing'));
  await product.apply(BLOCK_RAW, '--wait', '--timeout', '300s');
  await eventually('it was refused', MINUTES, () =>
    isAllowed(vm, '! systemctl is-active --quiet sniffer && ! systemctl is-failed sniffer'),
  );
  await product.must(['delete', 'policy', 'no-raw', '--wait', '--timeout', '300s']);
}
