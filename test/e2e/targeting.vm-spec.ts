import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { expectWatching } from './support/watching.js';

const MINUTES = 60_000;

/** Suite b: labels and groups move policies between two real hosts, and nobody applies anything again. */
describe('labels and groups on two real hosts', () => {
  let fleet: Fleet;
  let web1: Vm;
  let web10: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod,tier=web');
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  it(
    'step 1: two labels are an AND: a host with one of them is not selected',
    async () => {
      await fleet.product.apply(
        blockProgram('web-only', '/usr/bin/sleep', { env: 'prod', tier: 'web' }),
        '--wait',
      );
      await expectBlocked(web1, 'sleep 0.01');
    },
    3 * MINUTES,
  );

  it(
    'step 2: a late joiner gets what selects it, by itself',
    async () => {
      web10 = await fleet.host('web10', 'env=prod,tier=db');
      await fleet.product.apply(
        blockProgram('prod-all', '/usr/bin/nice', { env: 'prod' }),
        '--wait',
      );
      await expectBlocked(web10, 'nice true');
      await expectAllowed(web10, 'sleep 0.01');
    },
    4 * MINUTES,
  );

  it(
    'step 3: a label moved from one host to the other moves the policy',
    async () => {
      await fleet.product.must(['label', 'node', 'web1', 'tier=db']);
      await fleet.product.must(['label', 'node', 'web10', 'tier=web']);
      await eventually(
        'sleep moved',
        MINUTES,
        async () => (await isBlocked(web10, 'sleep 0.01')) && (await isAllowed(web1, 'sleep 0.01')),
      );
      await fleet.product.must(['status', 'policy', 'web-only', '--wait', '--timeout', '300s']);
    },
    3 * MINUTES,
  );

  it(
    'step 4: a new group targets its members at once',
    async () => {
      await fleet.product.apply(
        blockProgram('grouped', '/usr/bin/env', { 'hostward.io/group': 'databases' }),
      );
      await expectAllowed(web1, 'env true');
      await fleet.product.apply(
        'apiVersion: hostward.io/v1\nkind: Group\nmetadata:\n  name: databases\nspec:\n  selector:\n    matchLabels:\n      tier: db\n',
      );
      await eventually('env is blocked on web1', MINUTES, () =>
        isBlocked(web1, '/usr/bin/env true'),
      );
      await expectAllowed(web10, '/usr/bin/env true');
    },
    3 * MINUTES,
  );

  it(
    'step 5: explain names each label test',
    async () => {
      const { stdout } = await fleet.product.must([
        'explain',
        'node',
        'web10',
        'policy',
        'grouped',
      ]);
      expect(stdout).toContain('does not select web10');
    },
    MINUTES,
  );

  it(
    'step 6: labels make a host watch what happens on it while AppArmor enforces, and tell who did what',
    () => expectWatching(fleet.product, web10, 'web10'),
    5 * MINUTES,
  );

  it(
    'step 7: offboarding web1 leaves web10 enrolled and enforcing',
    async () => {
      await fleet.product.must(['delete', 'node', 'web1']);
      const { stdout } = await fleet.product.must(['get', 'nodes', '-o', 'name']);
      expect(stdout.trim().split('\n')).toEqual(['web10']);
      await expectBlocked(web10, 'sleep 0.01');
      await fleet.product.must(['status', 'policy', 'web-only', '--wait', '--timeout', '300s']);
    },
    2 * MINUTES,
  );
});
