import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Alert, PolicyStatus } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed } from './support/guest.js';
import { blockFile, blockProgram } from './support/policies.js';

const MINUTES = 60_000;

const ENFORCERS = [
  ['apparmor', 'AppArmor'],
  ['bpf', 'BPFLSM'],
] as const;

/** Suite a: KVMService's tutorial, by CLI and by REST, on a real kernel, with each enforcer. */
describe.each(ENFORCERS)('the tutorial on a real host with %s', (enforcer, word) => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod', enforcer);
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  it(
    'step 1: an enrolled host is listed as connected with its enforcer',
    async () => {
      const table = await eventually('web1 connected', MINUTES, async () => {
        const { stdout } = await fleet.product.must(['get', 'nodes']);
        return /web1\s+enrolled\s+yes\s+(apparmor|bpf)/.test(stdout) && stdout;
      });
      expect(table).toContain('env=prod');
    },
    2 * MINUTES,
  );

  it(
    'step 2: a program blocked by a policy gives EACCES, and the status says so with a probe as proof',
    async () => {
      await expectAllowed(web1, 'sleep 0.01');
      await fleet.product.apply(blockProgram('no-sleep', '/usr/bin/sleep', { env: 'prod' }));
      await fleet.product.must(
        ['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
      await expectBlocked(web1, 'sleep 0.01');
      const status = JSON.parse(
        (await fleet.product.must(['status', 'policy', 'no-sleep', '-o', 'json'])).stdout,
      ) as PolicyStatus;
      expect(status).toMatchObject({ enforcedEverywhere: true, selected: 1 });
      expect(status.nodes[0]?.rules).toEqual([
        expect.objectContaining({ id: 'process/matchPaths/0', state: 'enforced', proof: 'probe' }),
      ]);
    },
    3 * MINUTES,
  );

  it(
    'step 3: a rule written for /bin binds the same program, as /bin is a link to /usr/bin',
    async () => {
      await fleet.product.apply(blockProgram('no-nice', '/bin/nice', { env: 'prod' }), '--wait');
      await expectBlocked(web1, '/usr/bin/nice true');
      await expectBlocked(web1, '/bin/nice true');
    },
    3 * MINUTES,
  );

  it(
    'step 4: a file blocked for one program stays readable for others',
    async () => {
      await fleet.product.apply(
        blockFile('no-cpuinfo', '/proc/cpuinfo', { env: 'prod' }, '/usr/bin/cat'),
        '--wait',
      );
      await expectBlocked(web1, 'cat /proc/cpuinfo');
      await expectAllowed(web1, 'head -1 /proc/cpuinfo');
      await expectAllowed(web1, 'cat /proc/version');
    },
    3 * MINUTES,
  );

  it(
    'step 5: the denial arrives as an alert that names policy, rule and revision',
    async () => {
      const alert = await eventually('an alert of no-sleep', MINUTES, async () => {
        const { stdout } = await fleet.product.must(['logs', '--policy', 'no-sleep', '--json']);
        return stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Alert)[0];
      });
      expect(alert).toMatchObject({
        PolicyName: 'no-sleep',
        RuleID: 'process/matchPaths/0',
        Node: 'web1',
        HostName: expect.any(String),
        Action: 'Block',
        Operation: 'Process',
        Resource: expect.stringContaining('/usr/bin/sleep'),
        Result: 'Permission denied',
        Severity: '5',
        Message: 'no-sleep says no',
        Enforcer: word,
        PolicyRevision: expect.stringMatching(/^\d+$/),
      });
    },
    2 * MINUTES,
  );

  it(
    'step 6: a file rule and its alert name the source that was stopped',
    async () => {
      const alert = await eventually('an alert of no-cpuinfo', MINUTES, async () => {
        const { stdout } = await fleet.product.must(['logs', '--policy', 'no-cpuinfo', '--json']);
        return stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Alert)[0];
      });
      expect(alert).toMatchObject({
        Operation: 'File',
        Resource: '/proc/cpuinfo',
        RuleID: 'file/matchPaths/0',
      });
    },
    2 * MINUTES,
  );

  it(
    'step 7: after the policies are deleted everything is allowed again',
    async () => {
      await fleet.product.must(['delete', 'policy', 'no-sleep', 'no-nice', 'no-cpuinfo']);
      await eventually('sleep is free', MINUTES, () =>
        isAllowed(web1, 'sleep 0.01 && nice true && cat /proc/cpuinfo'),
      );
    },
    2 * MINUTES,
  );

  it(
    'step 8: the agent listens on no port',
    async () => {
      const { stdout } = await web1.ssh('ss -Hltnup');
      expect(stdout).not.toMatch(/hostward|node/);
    },
    MINUTES,
  );

  it(
    'step 9: the join token is nowhere on the host',
    async () => {
      const { stdout } = await web1.ssh(
        'grep -rlE "hwj[_-]" /etc/hostward /var/lib/hostward /var/log 2>/dev/null || true',
      );
      expect(stdout.trim()).toBe('');
    },
    MINUTES,
  );
});
