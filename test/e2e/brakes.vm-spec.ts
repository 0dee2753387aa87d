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
    'an override that would cut the agent off at its next start comes back by itself, and is reported',
    async () => {
      await fleet.product.apply(cutsAgent('no-tcp', NO_TCP), '--override-protection');
      await fellBack();
      await expectBlocked(web1, 'sleep 0.01');
      await expectAgentIsBack('no-tcp');
    },
    8 * MINUTES,
  );

  it(
    'an override that takes away the program of the agent comes back by itself too',
    async () => {
      await fleet.product.apply(cutsAgent('no-agent', NO_AGENT_PROGRAM), '--override-protection');
      await fellBack();
      await expectBlocked(web1, 'sleep 0.01');
      await expectAgentIsBack('no-agent');
    },
    8 * MINUTES,
  );

  it(
    'an override that does the agent no harm is confirmed by an agent that was started under it',
    async () => {
      const before = await agentPid();
      const harmless = blockProgram('no-nice', '/usr/bin/nice', PROD, OVERRIDE);
      await fleet.product.apply(harmless, '--override-protection', '--wait');
      await eventually('it is confirmed', 2 * MINUTES, () => confirmIs('confirmed'));
      expect(await agentPid()).not.toBe(before);
      await fleet.product.must(['delete', 'policy', 'no-nice']);
      await eventually('nice is free', MINUTES, () => isAllowed(web1, 'nice true'));
    },
    5 * MINUTES,
  );

  it(
    'with the link cut in the middle of a swap nothing opens, and denials of other users change nothing',
    async () => {
      await fleet.product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '90s']);
      await web1.ssh('systemctl kill -s STOP hostward-agent');
      await fleet.product.apply(blockProgram('no-nice', '/usr/bin/nice', PROD));
      // The agent takes the rule set over a link that is cut as soon as the kernel holds it.
      await web1.ssh('systemctl kill -s CONT hostward-agent');
      await eventually('nice is blocked', MINUTES, () => isBlocked(web1, 'nice true'));
      await web1.cutLink();
      await web1.ssh('systemctl restart --no-block hostward-agent');
      await deniedUsers();
      await expectBlocked(web1, 'nice true');
      await web1.restoreLink();
      await fleet.product.must(
        ['status', 'policy', 'no-nice', '--wait', '--timeout', '120s'],
        4 * MINUTES,
      );
    },
    8 * MINUTES,
  );

  it(
    'an outage of the control plane in the middle of a swap: the host is unconfirmed and nothing opens',
    async () => {
      await fleet.product.apply(blockProgram('no-nohup', '/usr/bin/nohup', PROD));
      await eventually('nohup is blocked', MINUTES, () => isBlocked(web1, 'nohup true'));
      await fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);
      await deniedUsers();
      for (const command of ['sleep 0.01', 'nice true', 'nohup true'])
        await expectBlocked(web1, command);
      await fleet.product.start();
      for (const policy of ['no-nohup', 'no-nice'])
        await fleet.product.must(
          ['status', 'policy', policy, '--wait', '--timeout', '120s'],
          4 * MINUTES,
        );
      await fleet.product.must(['delete', 'policy', 'no-nohup']);
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
