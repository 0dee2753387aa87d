import process, { kill } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { earlyProbe, installEarlyProbe } from './support/early-probe.js';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { RedisValues } from './support/redis-values.js';
import { revisionOf, whileComparing } from './support/word-loop.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

/** Suites c and d: whatever dies, enforcement does not open, and the end state is exact. */
describe('enforcement survives', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await fleet.product.apply(blockProgram('no-sleep', '/usr/bin/sleep', PROD), '--wait');
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const killed = (name: string) => async (): Promise<void> => {
    const { children } = await fleet.product.record();
    kill(children[name] ?? 0, 'SIGKILL');
  };

  it.each(['hostward-agent', 'hostward-sensor'])(
    'kill -9 of %s on the host opens nothing, and it comes back',
    async (unit) => {
      await web1.ssh(`systemctl kill -s KILL ${unit}.service`);
      await expectBlocked(web1, 'sleep 0.01');
      await eventually(`${unit} is active again`, MINUTES, () =>
        isAllowed(web1, `systemctl is-active --quiet ${unit}.service`),
      );
      await expectBlocked(web1, 'sleep 0.01');
      await fleet.product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s']);
    },
    4 * MINUTES,
  );

  it.each(['control plane', 'etcd', 'redis'])(
    'kill -9 of %s opens nothing, and the status is true again by itself',
    async (name) => {
      await killed(name)();
      await expectBlocked(web1, 'sleep 0.01');
      await eventually(`status after ${name} came back`, MINUTES, async () => {
        const { code } = await fleet.product.cli(['status', 'policy', 'no-sleep']);
        return code === 0;
      });
      const policy = `after-${name.replace(' ', '-')}`;
      const change = blockProgram(policy, '/usr/bin/nice', PROD);
      // The status may come from memory while etcd starts, and a change is refused until etcd answers.
      await eventually(`changes are taken after ${name} came back`, MINUTES, async () => {
        const { code } = await fleet.product.cli(['apply', '-f', '-'], { input: change });
        return code === 0;
      });
      await fleet.product.apply(change, '--wait');
      await expectBlocked(web1, 'nice true');
      await fleet.product.must(['delete', 'policy', policy]);
      await eventually('nice is free', MINUTES, () => isAllowed(web1, 'nice true'));
      await expectBlocked(web1, 'sleep 0.01');
    },
    5 * MINUTES,
  );

  it('FLUSHALL opens nothing, and what was in Redis is there again from etcd', async () => {
    const redis = await RedisValues.of(fleet.product);
    await redis.flushAll();
    await expectBlocked(web1, 'sleep 0.01');
    await fleet.product.apply(blockProgram('after-flush', '/usr/bin/nice', PROD), '--wait');
    await expectBlocked(web1, 'nice true');
    await fleet.product.must(['delete', 'policy', 'after-flush']);
    await eventually('nice is free', MINUTES, () => isAllowed(web1, 'nice true'));
    await fleet.product.must(['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s']);
  }, 180_000);

  it(
    'a link cut while policies are changed and deleted leads to the exact end state',
    async () => {
      await fleet.product.apply(blockProgram('to-delete', '/usr/bin/nice', PROD), '--wait');
      await web1.cutLink();
      const { code, stderr } = await fleet.product.cli(
        'delete policy to-delete --wait --timeout 3s'.split(' '),
      );
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^ {2}web1: /m)]);
      await fleet.product.apply(blockProgram('made-meanwhile', '/usr/bin/env', PROD));
      await fleet.product.apply(
        blockProgram('no-sleep', '/usr/bin/sleep', PROD).replace('severity: 5', 'severity: 9'),
      );
      await web1.restoreLink();
      await eventually(
        'the end state',
        2 * MINUTES,
        async () =>
          (await isAllowed(web1, 'nice true')) && (await isBlocked(web1, '/usr/bin/env true')),
      );
      await expectBlocked(web1, 'sleep 0.01');
      await fleet.product.must([
        'status',
        'policy',
        'made-meanwhile',
        '--wait',
        '--timeout',
        '60s',
      ]);
      await fleet.product.must('delete policy made-meanwhile --wait --timeout 60s'.split(' '));
      expect(await isAllowed(web1, '/usr/bin/env true')).toBe(true);
    },
    6 * MINUTES,
  );

  // The fault suite's hosts have no kernel (test/fault): here new processes try each word of the control plane's.
  it(
    'whatever dies or stands still while rules change, one that was said to be enforced stops a new process',
    async () => {
      const inGuest = (command: string) => () => web1.ssh(command, { allowFailure: true });
      const standStill = (unit: string) =>
        inGuest(
          `systemctl kill -s STOP ${unit}.service; sleep 3; systemctl kill -s CONT ${unit}.service`,
        );
      const rounds: readonly (readonly [program: string, fault: () => Promise<unknown>])[] = [
        ['/usr/bin/nice', inGuest('systemctl kill -s KILL hostward-agent.service')],
        ['/usr/bin/env', inGuest('systemctl kill -s KILL hostward-sensor.service')],
        ['/usr/bin/nohup', killed('control plane')],
        ['/usr/bin/setsid', standStill('hostward-sensor')],
        ['/usr/bin/nice', killed('redis')],
        ['/usr/bin/env', standStill('hostward-agent')],
        ['/usr/bin/nohup', inGuest('systemctl kill -s KILL hostward-compiler.service')],
      ];
      const wait = (): Promise<void> => setTimeout(3_000);
      // A word about another program is found to be wrong.
      const about = { policy: 'no-sleep', program: '/usr/bin/nice' };
      const wrong = await whileComparing(web1, fleet.product, about, wait);
      expect(wrong).toMatchObject({
        stopped: 0,
        broken: expect.arrayContaining([expect.any(String)]),
      });
      for (const [program, fault] of rounds) {
        const before = await revisionOf(fleet.product, 'changing');
        const what = { policy: 'changing', program, before };
        const compared = await whileComparing(web1, fleet.product, what, async () => {
          await fleet.product.apply(blockProgram('changing', program, PROD));
          // Somewhere in the path of the change: rendered, under way, verified, compiled, loaded or reported.
          await setTimeout(Math.round(Math.random() * 4_000));
          await fault();
          await eventually(`${program} is said to be blocked`, 2 * MINUTES, async () => {
            return (await fleet.product.cli(['status', 'policy', 'changing'])).code === 0;
          });
          await wait();
        });
        process.stdout.write(`${program}: ${JSON.stringify(compared)}\n`);
        expect({ program, ...compared }).toMatchObject({ program, broken: [] });
        expect(compared.stopped).toBeGreaterThan(3);
      }
      await fleet.product.must(['delete', 'policy', 'changing']);
      await eventually('nohup is free', MINUTES, () => isAllowed(web1, '/usr/bin/nohup true'));
      await expectBlocked(web1, 'sleep 0.01');
    },
    15 * MINUTES,
  );

  it(
    'a profile removed behind our back is drift: found, repaired, recorded',
    async () => {
      await web1.ssh('printf hostward > /sys/kernel/security/apparmor/.remove');
      await eventually('blocked again', MINUTES, () => isBlocked(web1, 'sleep 0.01'));
      const text = await eventually('the drift is reported', MINUTES, async () => {
        const { stdout } = await fleet.product.cli(['status', 'node', 'web1']);
        return /drift .*repaired/.test(stdout) && stdout;
      });
      expect(text).toMatch(/drift .*hostward/);
    },
    3 * MINUTES,
  );

  it(
    'where AppArmor as a whole is told to let everything pass, nothing is called enforced until it is told otherwise',
    async () => {
      const told = (): Promise<{ stdout: string }> => fleet.product.cli(['status', 'node', 'web1']);
      await web1.ssh('printf complain >/sys/module/apparmor/parameters/mode');
      try {
        await expectAllowed(web1, 'sleep 0.01');
        await eventually('the rule has failed, and why', MINUTES, async () => {
          const { stdout } = await told();
          return stdout.includes('AppArmor is in mode complain') && !/\benforced\b/.test(stdout);
        });
        const preflight = await web1.ssh('sh /usr/lib/hostward/preflight.sh', {
          allowFailure: true,
        });
        expect(preflight.stdout).toContain('AppArmor is in mode complain');
      } finally {
        await web1.ssh('printf enforce >/sys/module/apparmor/parameters/mode');
      }
      await expectBlocked(web1, 'sleep 0.01');
      await eventually('it is enforced again', MINUTES, async () => {
        const { stdout } = await told();
        return /\benforced\b/.test(stdout) && /drift .*mode complain.*repaired/.test(stdout);
      });
    },
    4 * MINUTES,
  );

  it(
    'after a reboot with the control plane away it is enforced before the network is up',
    async () => {
      await installEarlyProbe(web1);
      await fleet.product.must(['down', `--data-dir=${fleet.product.dataDir}`]);
      await web1.reboot();
      expect(await earlyProbe(web1)).toMatch(/^126\n[\s\S]*Permission denied/);
      await expectBlocked(web1, 'sleep 0.01');
    },
    8 * MINUTES,
  );

  it(
    'when the control plane is back the rebooted host reports by itself',
    async () => {
      await fleet.product.start();
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
      await expectAllowed(web1, 'true');
    },
    5 * MINUTES,
  );
});
