import { expect } from '@jest/globals';
import type { Vm } from '#testing';
import { alertsOf } from './alerts.js';
import { eventually } from './eventually.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './guest.js';
import type { Product } from './product.js';

const MINUTE = 60_000;

const POLICY = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: no-evil}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  network: {matchDNSQueries: [{domain: evil.example}]}
  action: Block
`;

/** Asks a server that is not there for a name: by UDP, which tells at once whether the question may leave. */
const asking = (name: string): string => `python3 - <<'END'
import socket
labels = b''.join(bytes([len(label)]) + label for label in b'${name}'.split(b'.'))
question = bytes.fromhex('123401000001000000000000') + labels + bytes.fromhex('0000010001')
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(question, ('127.0.0.1', 53))
END`;

/** What asks for a name that the policy of `expectNamesJudged` refuses. */
export const ASK_EVIL = asking('www.evil.example');

/** A rule about names of DNS holds, is explained, and is put back where root detaches what judges by it. */
export async function expectNamesJudged(product: Product, vm: Vm): Promise<void> {
  await expectAllowed(vm, ASK_EVIL);
  await product.apply(POLICY, '--wait', '--timeout', '300s');
  await expectBlocked(vm, ASK_EVIL);
  await expectAllowed(vm, asking('fine.example'));
  await eventually('it is told', MINUTE, async () =>
    (await alertsOf(product, 'no-evil')).some(
      ({ Resource, Operation, ProcessName, RuleID }) =>
        Resource === 'domain=www.evil.example' &&
        Operation === 'Network' &&
        /python3/.test(ProcessName) &&
        RuleID === 'network/matchDNSQueries/0',
    ),
  );
  const { stdout } = await vm.ssh('hostward-sensor explain --domain WWW.evil.example');
  expect(JSON.parse(stdout)).toMatchObject({ verdict: 'denied', rule: { policy: 'no-evil' } });

  await vm.ssh(
    `bpftool -j link | python3 -c "import json, os, sys
for link in json.load(sys.stdin):
    if link['type'] == 'cgroup' and link['attach_type'] == 'cgroup_inet_egress' and link['cgroup_id'] == 1:
        os.execvp('bpftool', ['bpftool', 'link', 'detach', 'id', str(link['id'])])
sys.exit('there is none')"`,
  );
  await eventually('it is attached again', MINUTE, () => isBlocked(vm, ASK_EVIL));
  await eventually('drift is told', MINUTE, () =>
    isAllowed(vm, `journalctl -u hostward-sensor | grep -q 'detached from the cgroups'`),
  );
}
