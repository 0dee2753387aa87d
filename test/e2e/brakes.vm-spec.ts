import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeStatus, NodeView } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockFile, blockProgram } from './support/policies.js';
import { RedisValues } from './support/redis-values.js';
import { ANSWER, askSensor, installSensorClient } from './support/sensor-socket.js';

const MINUTES = 60_000;
/** For what takes seconds on a host of its own; an emulated one beside other work is slow. */
const SOON = 3 * MINUTES;
/** For what is known to take a minute: to ask costs an emulated host a quarter of a second each time. */
const SELDOM_MS = 3_000;
const PROD = { env: 'prod' };
const NODE = '/usr/lib/hostward/node';

/** Cuts the agent off at its next start only: a running one stays in the profile that it was started in. */
const NO_TCP = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: cuts-agent
spec:
  nodeSelector:
    matchLabels:
      env: prod
  network:
    matchProtocols:
      - protocol: tcp
        fromSource:
          - path: ${NODE}
  action: Block
`;

/** Suites e and h: nothing locks an operator out, and nobody is without a brake. */
describe('brakes on a real host', () => {
  let fleet: Fleet;
  let web1: Vm;
  let redis: RedisValues;
  let nodeId: string;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    redis = await RedisValues.of(fleet.product);
    const { stdout } = await fleet.product.must(['get', 'nodes', '-o', 'json']);
    nodeId = (JSON.parse(stdout) as NodeView[])[0]?.nodeId ?? '';
    await installSensorClient(web1);
    await fleet.product.apply(
      blockProgram('no-sleep', '/usr/bin/sleep', PROD),
      '--wait',
      '--timeout',
      '110s',
    );
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());
  // A step that failed in the middle of an outage must not take the others down.
  afterEach(async () => {
    await web1.restoreLink();
    await web1.ssh('systemctl start --no-block hostward-agent');
  });

  const nodeStatus = (): Promise<NodeStatus> => fleet.product.nodeStatus('web1');
  const enforced = (policy: string): Promise<unknown> =>
    fleet.product.must(['status', 'policy', policy, '--wait', '--timeout', '300s'], 6 * MINUTES);
  const remove = (policy: string): Promise<unknown> =>
    fleet.product.must(['delete', 'policy', policy]);
  const confirmIs = async (state: string): Promise<boolean> =>
    (await web1.ssh('hostward-sensor status --json')).stdout.includes(
      `"confirm":{"state":"${state}"`,
    );
  const agentPid = async (): Promise<string> =>
    (await web1.ssh('systemctl show -P MainPID hostward-agent')).stdout.trim();
  const logged = (words: RegExp): Promise<unknown> =>
    eventually(`${String(words)} in the log`, SOON, async () =>
      words.test((await fleet.product.must(['logs', '--node', 'web1', '--limit', '10000'])).stdout),
    );
  const down = (): Promise<unknown> =>
    fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);

  /** What every user of a host can do: be denied something, often. */
  const denyOthers = async (): Promise<void> => {
    await web1.ssh(
      `often='for i in $(seq 50); do /usr/bin/sleep 0.01 2>/dev/null; done; true'; su nobody -s /bin/sh -c "$often"; eval "$often"`,
      { timeoutMs: 2 * MINUTES },
    );
  };

  /** Applies a rule set that cuts the agent off, until that is told. */
  const fallBack = async (policy: string): Promise<NodeStatus> => {
    const appliedAt = Date.now();
    await fleet.product.apply(policy, '--override-protection');
    return eventually('the host tells that it fell back', 5 * MINUTES, async () => {
      const now = await nodeStatus();
      const { code, at = '' } = now.lastRejection ?? {};
      return code === 'fell-back' && Date.parse(at) > appliedAt && now;
    });
  };

  /** Sees that it came back, that it is told, and that the rest holds. */
  const expectFallback = async (policy: string): Promise<void> => {
    const status = await fallBack(policy);
    expect(status.lastRejection?.message).toMatch(/cut the agent off/);
    expect((await fleet.product.cli(['status', 'policy', 'cuts-agent'])).code).toBe(1);
    await expectBlocked(web1, 'sleep 0.01');
    await logged(/HOST fallback: .*last known good is in force again/);
    await remove('cuts-agent');
    await eventually('the next rule set is taken', SOON, () => confirmIs('confirmed'));
    await enforced('no-sleep');
    await eventually('nothing is rejected any more', SOON, async () => {
      const { lastRejection } = await nodeStatus();
      return lastRejection === undefined;
    });
  };

  /** Brings a rule set into force while the agent can reach nobody, as if the outage came between swap and confirmation. */
  const swapInOutage = async (policy: string, outage: () => Promise<unknown>): Promise<void> => {
    const before = await redis.envelope(nodeId);
    await web1.ssh('systemctl stop hostward-agent');
    await fleet.product.apply(policy);
    const envelope = await eventually('the assignment is delivered', SOON, async () => {
      const now = await redis.envelope(nodeId);
      return !now.equals(before) && now;
    });
    await outage();
    expect(await askSensor(web1, 'hostward', 'apply', envelope)).toMatch(
      new RegExp(`^${ANSWER.applied}\n`),
    );
    await web1.ssh('systemctl start --no-block hostward-agent');
  };

  it(
    'that only observes from now on enforces nothing, at the next boot neither, and all of it when it no longer does',
    async () => {
      const say = (enforcer: string): Promise<unknown> =>
        web1.ssh(
          `sed -i '/^enforcer:/d' /etc/hostward/agent.yaml; echo 'enforcer: ${enforcer}' >>/etc/hostward/agent.yaml; systemctl restart hostward-agent`,
        );
      await say('observe');
      await eventually('sleep is free', SOON, () => isAllowed(web1, 'sleep 0.01'));
      await eventually('it is told', SOON, async () => (await nodeStatus()).enforcer === 'observe');
      expect((await fleet.product.cli(['status', 'policy', 'no-sleep'])).code).toBe(1);
      await web1.ssh('/usr/lib/hostward/hostward-sensor early');
      await expectAllowed(web1, 'sleep 0.01');
      await say('auto');
      // To observe is a state that waits for nothing.
      await eventually(
        'it enforces',
        SOON,
        async () => (await nodeStatus()).enforcer !== 'observe',
      );
      await enforced('no-sleep');
      await expectBlocked(web1, 'sleep 0.01');
    },
    10 * MINUTES,
  );

  describe('a policy that would cut a host off', () => {
    it(
      'is refused with the rule and the override named',
      async () => {
        const refused = [
          blockProgram('no-sshd', '/usr/sbin/sshd', PROD),
          blockFile('no-agent', '/usr/lib/hostward/agent.mjs', PROD),
          NO_TCP,
        ];
        for (const input of refused) {
          const { code, stderr } = await fleet.product.cli(['apply', '-f', '-'], { input });
          expect(code).toBe(1);
          expect(stderr).toMatch(/(process|file|network)\/match(Paths|Protocols)\/0/);
          expect(stderr).toMatch(/override-protection/);
        }
        await expectAllowed(web1, 'true');
      },
      2 * MINUTES,
    );

    it(
      'comes back by itself with the override, though it would hit the agent at its next start only',
      () => expectFallback(NO_TCP),
      12 * MINUTES,
    );

    it(
      'comes back by itself with the override that takes away the program of the agent',
      () => expectFallback(blockFile('cuts-agent', '/usr/lib/hostward/agent.mjs', PROD)),
      12 * MINUTES,
    );

    it(
      'is confirmed by an agent started under it where it does the agent no harm',
      async () => {
        const before = await agentPid();
        const harmless = blockProgram('no-nice', '/usr/bin/nice', PROD);
        await fleet.product.apply(harmless, '--override-protection', '--wait', '--timeout', '300s');
        await eventually('it is confirmed', SOON, () => confirmIs('confirmed'));
        expect(await agentPid()).not.toBe(before);
        await remove('no-nice');
        await eventually('nice is free', SOON, () => isAllowed(web1, 'nice true'));
        await enforced('no-sleep');
      },
      12 * MINUTES,
    );
  });

  describe.each([
    ['the link is cut', () => web1.cutLink(), () => web1.restoreLink()],
    ['the control plane is stopped', () => down(), () => fleet.product.start()],
  ])('when %s in the middle of a swap', (_what, outage, end) => {
    it(
      'nothing opens, whatever other users are denied, and it is told and over afterwards',
      async () => {
        try {
          await swapInOutage(blockProgram('no-nice', '/usr/bin/nice', PROD), outage);
          await denyOthers();
          await eventually('it is unconfirmed', SOON, () => confirmIs('unconfirmed'));
          await denyOthers();
          for (const command of ['sleep 0.01', 'nice true']) await expectBlocked(web1, command);
          expect(await confirmIs('unconfirmed')).toBe(true);
        } finally {
          await end();
        }
        await enforced('no-nice');
        await eventually('it is confirmed', SOON, () => confirmIs('confirmed'));
        await remove('no-nice');
        await enforced('no-sleep');
      },
      12 * MINUTES,
    );
  });

  describe('break-glass from the control plane', () => {
    const suspend = async (target: readonly string[], mode: string, time: string) => {
      const { stdout } = await fleet.product.must([
        ...['breakglass', ...target, '--mode', mode, '--for', time, '--reason', 'outage 4711'],
      ]);
      return /suspension\/(\S+):/.exec(stdout)?.[1] ?? '';
    };

    it.each([
      ['a host', ['--node', 'web1'], 'audit'],
      ['a selector', ['--selector', 'env=prod'], 'off'],
      ['the fleet', ['--all'], 'off'],
    ])(
      'turns %s to another mode, shows it, and ends when it is ended',
      async (_what, target, mode) => {
        const id = await suspend(target, mode, '30m');
        await eventually('sleep is free', SOON, () => isAllowed(web1, 'sleep 0.01'));
        const status = await eventually('suspended is shown', SOON, async () => {
          const now = await nodeStatus();
          return now.conditions.includes('suspended') && now;
        });
        expect(status.suspension).toMatchObject({
          mode,
          reason: 'outage 4711',
          by: 'control-plane',
        });
        expect((await fleet.product.cli(['status', 'policy', 'no-sleep'])).code).toBe(1);
        await fleet.product.must(['breakglass', '--end', id]);
        await eventually('blocked again', SOON, () => isBlocked(web1, 'sleep 0.01'));
        await enforced('no-sleep');
      },
      12 * MINUTES,
    );

    it(
      'reaches a host that fell back, and what cut it off does not come back with its end',
      async () => {
        await fallBack(NO_TCP);
        const id = await suspend(['--node', 'web1'], 'off', '30m');
        await eventually('sleep is free', SOON, () => isAllowed(web1, 'sleep 0.01'));
        expect(await sensorSuspension(web1)).toMatchObject({ by: 'control-plane' });
        await fleet.product.must(['breakglass', '--end', id]);
        await eventually('blocked again', SOON, () => isBlocked(web1, 'sleep 0.01'));
        expect(await confirmIs('fell-back')).toBe(true);
        expect((await nodeStatus()).lastRejection).toMatchObject({ code: 'fell-back' });
        await remove('cuts-agent');
        await enforced('no-sleep');
      },
      12 * MINUTES,
    );

    it(
      'for others leaves a host alone, and one for a time ends by itself',
      async () => {
        await suspend(['--selector', 'env=staging'], 'off', '30m');
        await suspend(['--node', 'web1'], 'audit', '60s');
        await eventually('sleep is free', SOON, () => isAllowed(web1, 'sleep 0.01'));
        await logged(/AUDIT Process \/usr\/bin\/sleep .*no-sleep/);
        await eventually('it ended', SOON, () => isBlocked(web1, 'sleep 0.01'), SELDOM_MS);
        await enforced('no-sleep');
        await logged(/HOST suspended: audit until \S+ by control-plane: outage 4711/);
        await logged(/HOST resumed: /);
      },
      12 * MINUTES,
    );
  });

  describe('break-glass at the console', () => {
    it(
      'works without the control plane, ends by itself, and is on record afterwards',
      async () => {
        await down();
        await web1.ssh('hostward-sensor suspend --mode off --for 40s --reason "console 4712"');
        await expectAllowed(web1, 'sleep 0.01');
        await eventually('it ended', SOON, () => isBlocked(web1, 'sleep 0.01'), SELDOM_MS);
        await fleet.product.start();
        await enforced('no-sleep');
        await logged(/HOST suspended: off until \S+ by console: console 4712/);
        await logged(/HOST resumed: off until \S+ by console: its time is over/);
      },
      12 * MINUTES,
    );

    it(
      'survives a reboot until its end, and the control plane shows who ordered it',
      async () => {
        await web1.ssh('hostward-sensor suspend --mode audit --for 30m --reason "console 4713"');
        const until = (await sensorSuspension(web1))?.until;
        await web1.reboot();
        await web1.waitBooted();
        await expectAllowed(web1, 'sleep 0.01');
        expect(await sensorSuspension(web1)).toMatchObject({ until, by: 'console' });
        const status = await eventually('suspended is shown', SOON, async () => {
          const now = await nodeStatus();
          return now.connected && now.conditions.includes('suspended') && now;
        });
        expect(status.suspension).toMatchObject({
          mode: 'audit',
          by: 'console',
          reason: 'console 4713',
        });
        await web1.ssh('hostward-sensor suspend --mode audit --for 5s --reason "console 4713"');
        await eventually('it ended by itself', SOON, () => isBlocked(web1, 'sleep 0.01'));
        await enforced('no-sleep');
      },
      12 * MINUTES,
    );

    it(
      'is for root alone: no user can start the program or reach the socket, and the agent is refused',
      async () => {
        const modes = await web1.ssh(
          "stat -Lc '%a %U:%G' /usr/bin/hostward-sensor /run/hostward/sensor.sock /run/hostward/compiler.sock /var/lib/hostward/sensor",
        );
        expect(modes.stdout).toBe(
          '750 root:root\n660 root:hostward\n600 root:root\n700 root:root\n',
        );
        const command = 'hostward-sensor suspend --mode off --for 20s --reason x';
        for (const user of ['nobody', 'hostward'])
          await expectBlocked(web1, `runuser -u ${user} -- ${command}`);
        expect(await askSensor(web1, 'nobody', 'suspend')).toMatch(/^refused .*Permission denied/);
        for (const ask of ['suspend', 'ask 9', 'ask 15'] as const) {
          const answer = await askSensor(web1, 'hostward', ask);
          expect(answer).toMatch(new RegExp(`^${ANSWER.error}\n[^]*not-permitted`));
        }
        await expectBlocked(web1, 'sleep 0.01');
      },
      3 * MINUTES,
    );
  });
});

/** The suspension as the host's own console tells it. */
async function sensorSuspension(
  vm: Vm,
): Promise<{ readonly until: number; readonly by: string } | undefined> {
  const { stdout } = await vm.ssh('hostward-sensor status --json');
  return (JSON.parse(stdout) as { suspension?: { until: number; by: string } }).suspension;
}
