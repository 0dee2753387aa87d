import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeStatus } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

/** Suites e and h: nothing locks an operator out, and nobody is without a brake. */
describe('brakes on a real host', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await fleet.product.apply(blockProgram('no-sleep', '/usr/bin/sleep', PROD), '--wait');
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const nodeStatus = async (): Promise<NodeStatus> =>
    JSON.parse(
      (await fleet.product.must(['status', 'node', 'web1', '-o', 'json'])).stdout,
    ) as NodeStatus;

  it(
    'a policy that would block the control path is refused with the rule and the override named',
    async () => {
      const { code, stderr } = await fleet.product.cli(['apply', '-f', '-'], {
        input: blockProgram('no-sshd', '/usr/sbin/sshd', PROD),
      });
      expect(code).toBe(1);
      expect(stderr).toMatch(/sshd/);
      expect(stderr).toMatch(/override-protection/);
      await expectAllowed(web1, 'true');
    },
    2 * MINUTES,
  );

  it(
    'an override that cuts the agent off comes back by itself, and is reported',
    async () => {
      const policy = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: cuts-agent
  annotations:
    hostward.io/override-protection: 'true'
spec:
  nodeSelector:
    matchLabels:
      env: prod
  network:
    matchProtocols:
      - protocol: tcp
        fromSource:
          - path: /usr/lib/hostward/node
  action: Block
`;
      await fleet.product.apply(policy, '--override-protection');
      await eventually('the host fell back', 3 * MINUTES, async () => {
        const status = await nodeStatus();
        return status.lastRejection !== undefined;
      });
      await expectBlocked(web1, 'sleep 0.01');
      await fleet.product.must(['delete', 'policy', 'cuts-agent']);
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '90s'],
        3 * MINUTES,
      );
    },
    8 * MINUTES,
  );

  it(
    'an outage in the middle of a swap opens nothing, and a user who triggers denials provokes no fallback',
    async () => {
      await fleet.product.apply(blockProgram('no-nice', '/usr/bin/nice', PROD));
      await eventually('nice is blocked', MINUTES, () => isBlocked(web1, 'nice true'));
      await fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);
      await web1.ssh(
        'for i in $(seq 50); do su nobody -s /bin/sh -c "/usr/bin/sleep 0.01" 2>/dev/null; done; true',
      );
      await web1.ssh('cat /proc/uptime');
      await expectBlocked(web1, 'sleep 0.01');
      await expectBlocked(web1, 'nice true');
      await fleet.product.start();
      await fleet.product.must(
        ['status', 'policy', 'no-nice', '--wait', '--timeout', '120s'],
        4 * MINUTES,
      );
      await fleet.product.must(['delete', 'policy', 'no-nice']);
    },
    8 * MINUTES,
  );

  it(
    'break-glass from the control plane turns a host to audit, shows it, and ends when it is ended',
    async () => {
      const { stdout } = await fleet.product.must([
        'breakglass',
        '--node',
        'web1',
        '--mode',
        'audit',
        '--for',
        '30m',
        '--reason',
        'outage 4711',
      ]);
      const id = /suspension\/(\S+):/.exec(stdout)?.[1] ?? '';
      await eventually('sleep is free', MINUTES, () => isAllowed(web1, 'sleep 0.01'));
      const status = await eventually('suspended is shown', MINUTES, async () => {
        const now = await nodeStatus();
        return now.qualifiers.includes('suspended') && now;
      });
      expect(status.suspension).toMatchObject({
        mode: 'audit',
        reason: 'outage 4711',
        by: 'control-plane',
      });
      expect((await fleet.product.cli(['status', 'policy', 'no-sleep'])).code).toBe(1);
      await fleet.product.must(['breakglass', '--end', id]);
      await eventually('blocked again', MINUTES, () => isBlocked(web1, 'sleep 0.01'));
    },
    4 * MINUTES,
  );

  it(
    'break-glass at the console works without the control plane, ends by itself and is reported afterwards',
    async () => {
      await fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);
      await web1.ssh('hostward-sensor suspend --mode off --for 20s --reason "console 4712"');
      await expectAllowed(web1, 'sleep 0.01');
      await eventually('it ended by itself', MINUTES, () => isBlocked(web1, 'sleep 0.01'));
      await fleet.product.start();
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '120s'],
        3 * MINUTES,
      );
    },
    6 * MINUTES,
  );

  it(
    'only root at the console may suspend',
    async () => {
      await expectBlocked(
        web1,
        'su nobody -s /bin/sh -c "hostward-sensor suspend --mode off --for 20s --reason x"',
      );
      await expectBlocked(web1, 'sleep 0.01');
    },
    MINUTES,
  );
});
