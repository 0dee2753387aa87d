import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type {
  JoinTokenView,
  NodeView,
  Page,
  PolicyRemains,
  PolicyStatus,
  PolicyView,
} from '#contracts';
import { drawHosts } from '../../apps/cli/src/sim/drawn-hosts.js';
import { eventually } from './support/eventually.js';
import { Product, type CliResult } from './support/product.js';

const HOSTS = 20;
const DEV = 6;
const BACK_WITHIN_MS = 60_000;

let product: Product;
let running: Promise<CliResult>;

beforeAll(async () => {
  product = await Product.up();
  const sizes = [
    `--nodes=${HOSTS}`,
    '--labels=env=prod:70,env=dev:30',
    '--clock-skew=2s',
    '--seed=7',
  ];
  const args = ['sim', ...sizes, '--duration=150s', '--storm=130s', '--json'];
  running = product.cli(args, { timeoutMs: 900_000 });
  await eventually(
    'all hosts report',
    BACK_WITHIN_MS,
    async () => (await connected()).length === HOSTS,
  );
}, 300_000);

afterAll(() => product.down());

async function get<T>(path: string): Promise<T> {
  const { status, text } = await (await product.rest()).get(path);
  if (status !== 200) throw new Error(`${path} is answered by ${status}: ${text}`);
  return JSON.parse(text) as T;
}

async function connected(): Promise<readonly NodeView[]> {
  const { items } = await get<Page<NodeView>>('/v1/nodes?limit=100');
  return items.filter((node) => node.connected);
}

const status = (): Promise<PolicyStatus> => get<PolicyStatus>('/v1/policies/no-nc/status');

/** Hosts that report this policy as enforced, and whether that is all whom it selects. */
async function enforced(): Promise<{ readonly count: number; readonly everywhere: boolean }> {
  const { nodes, enforcedEverywhere } = await status();
  const count = nodes.filter(({ state }) => state === 'enforced').length;
  return { count, everywhere: enforcedEverywhere };
}

function policy(path: string): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: no-nc
spec:
  nodeSelector:
    matchLabels:
      env: dev
  process:
    matchPaths:
      - path: ${path}
  action: Block
`;
}

const spreadOf = (times: readonly number[]): number => Math.max(...times) - Math.min(...times);

const all = (count: number) => async (): Promise<boolean> => {
  const now = await enforced();
  return now.everywhere && now.count === count;
};

describe('a simulated fleet', () => {
  it('is enrolled with the labels of its mixture', async () => {
    const nodes = await connected();
    expect(nodes.filter(({ labels }) => labels['env'] === 'dev')).toHaveLength(DEV);
    expect(nodes.filter(({ labels }) => labels['env'] === 'prod')).toHaveLength(HOSTS - DEV);
  });

  it('enforces what is applied, each host that is selected and no other', async () => {
    await product.apply(policy('/usr/bin/nc'), '--wait');
    expect(await enforced()).toEqual({ count: DEV, everywhere: true });
    const { selected, summary } = await status();
    expect(selected).toBe(DEV);
    // Nothing is enforced there, and whoever looks is told so.
    expect(summary).toMatchObject([{ state: 'enforced', conditions: ['simulated'], hosts: DEV }]);
    expect((await connected()).every(({ simulated }) => simulated)).toBe(true);
  });

  it('is waited for where a group moves a policy on to hosts', async () => {
    const group = (env: string): string =>
      `apiVersion: hostward.io/v1\nkind: Group\nmetadata:\n  name: moving\nspec:\n  selector:\n    matchLabels:\n      env: ${env}\n`;
    const named = policy('/usr/bin/telnet')
      .replace('no-nc', 'no-telnet')
      .replace('env: dev', 'hostward.io/group: moving');
    await product.apply(`${group('dev')}---\n${named}`, '--wait');
    const { stdout } = await product.apply(group('prod'), '--wait');
    expect(stdout).toMatch(/^policy\/no-telnet enforced on /m);
    // Those that are out of the group have let go of it by then.
    expect(stdout).toContain('policy/no-telnet is gone from hosts that are to lose it');
    const remains = '/v1/policies/no-telnet/remains';
    expect(await get<PolicyRemains>(remains)).toMatchObject({ hosts: 0, complete: true });
    await product.apply(named.replace('hostward.io/group: moving', 'env: dev'), '--wait');
    expect(await get<PolicyRemains>(remains)).toMatchObject({ hosts: 0, complete: true });
    await product.apply(named, '--wait');
    const { selected, settled } = await get<PolicyStatus>('/v1/policies/no-telnet/status');
    expect([selected, settled]).toEqual([HOSTS - DEV, true]);
    const ended = await product.must(['delete', 'policy', 'no-telnet', '--wait']);
    expect(ended.stdout).toContain('policy/no-telnet is enforced nowhere any more');
    await product.must(['delete', 'group', 'moving']);
  });

  it('loses a policy on a host that a label takes out of its selection', async () => {
    const moved = (await status()).nodes[0]?.node ?? '';
    await product.must(['label', 'node', moved, 'env=prod']);
    await eventually('one less', BACK_WITHIN_MS, all(DEV - 1));
    await eventually('none on the host that moved', BACK_WITHIN_MS, async () => {
      const { policies, asOf } = await product.nodeStatus(moved);
      return policies.length === 0 && asOf !== undefined;
    });
  });

  it('comes back and takes what was changed after control plane and Redis were killed', async () => {
    await product.signal('redis', 'SIGKILL');
    await product.signal('control plane', 'SIGKILL');
    const serves = async (): Promise<boolean> => (await product.readiness()).status === 200;
    const back = async (): Promise<boolean> => (await connected()).length === HOSTS;
    await eventually('it serves', BACK_WITHIN_MS, serves);
    await product.apply(policy('/usr/bin/ncat'));
    await eventually('enforced anew', BACK_WITHIN_MS, all(DEV - 1));
    await eventually('all are back', BACK_WITHIN_MS, back);
  }, 180_000);

  it('ends with a report and takes its hosts away', async () => {
    const { code, stdout, stderr } = await running;
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      seed: 7,
      nodes: HOSTS,
      enrolled: HOSTS,
      reconnectAllMs: expect.any(Number),
      rssPerSimulatedHostKiB: expect.any(Number),
      troubles: [],
      simulated: expect.arrayContaining([
        'a signature that is the same for several hosts is verified once a process',
      ]),
    });
    expect(await connected()).toEqual([]);
  }, 180_000);

  it.each([
    ['fails to load it', ['--fail=100%'], { hosts: 4, failed: 4, missing: 0 }],
    ['is stuck', ['--stuck=50%'], { hosts: 4, failed: 0, missing: 2 }],
    ['is slow', ['--slow=25%', '--slow-by=1s'], { hosts: 4, failed: 0, missing: 0 }],
    ['is late', ['--latency=400ms'], { hosts: 4, failed: 0, missing: 0 }],
  ])(
    'waits for no host that %s, counts it, and leaves no policy behind',
    async (_title, faults, expected) => {
      const sizes = ['--nodes=4', '--duration=5s', '--change-every=3s', '--json'];
      const { stdout, stderr } = await product.must(['sim', ...sizes, ...faults]);
      const { seed, changes } = JSON.parse(stdout) as {
        seed: number;
        changes: { lastDelivery: number }[];
      };
      expect(stderr).toContain(`seed ${seed}\n`);
      expect(changes[0]).toMatchObject(expected);
      const least = faults[0]?.startsWith('--slow')
        ? 1_000
        : faults[0] === '--latency=400ms'
          ? 200
          : 0;
      expect(changes[0]?.lastDelivery).toBeGreaterThanOrEqual(least);
      const { items } = await get<Page<PolicyView>>('/v1/policies');
      expect(items.filter(({ name }) => name.startsWith('sim-'))).toEqual([]);
    },
    120_000,
  );

  it('has clocks that are wrong by as much as its seed says', async () => {
    const mixture = ['--nodes=4', '--labels=clock=wrong:1', '--clock-skew=20m', '--seed=1'];
    const skewed = product.cli(['sim', ...mixture, '--duration=20s'], { timeoutMs: 150_000 });
    const mishaps = { slowShare: 0, slowMs: 0, stuckShare: 0, clockSkewMs: 20 * 60_000 };
    const drawn = spreadOf(drawHosts(4, mishaps, 1).map(({ skewMs }) => skewMs));
    expect(drawn).toBeGreaterThan(4 * 60_000);
    await eventually('they report, at times that are as far apart', BACK_WITHIN_MS, async () => {
      const { items } = await get<Page<NodeView>>('/v1/nodes?selector=clock%3Dwrong');
      const statuses = await Promise.all(items.map(({ name }) => product.nodeStatus(name)));
      const times = statuses.flatMap(({ asOf }) => (asOf === undefined ? [] : [Date.parse(asOf)]));
      // What they report is up to a minute old.
      return times.length === 4 && Math.abs(spreadOf(times) - drawn) < 2 * 60_000;
    });
    expect(await skewed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^seed 1$/m) });
  }, 180_000);

  // node replace ended a machine before it knew that another may come
  it('has a host replaced by an operator of its scope, who is given the token for the next one', async () => {
    const running = product.cli(['sim', '--nodes=1', '--labels=team=a:1', '--duration=15s'], {
      timeoutMs: 150_000,
    });
    const name = await eventually('it is there', BACK_WITHIN_MS, async () => {
      const { items } = await get<Page<NodeView>>('/v1/nodes?selector=team%3Da');
      return items.find(({ connected: isConnected }) => isConnected)?.name;
    });
    const who = ['--role', 'operator', '--selector', 'team=a', '--ttl', '1h', '-o', 'name'];
    const { stdout } = await product.must(['create', 'api-token', 'team-a', ...who]);
    const env = { HOSTWARD_TOKEN: stdout.trim() };
    const replace = () => product.cli(['node', 'replace', name], { env });
    const first = await replace();
    expect([first.stderr, first.stdout]).toEqual([
      expect.stringContaining('with the labels team=a'),
      expect.stringMatching(/^hwj_\S+\n$/),
    ]);
    const again = await replace();
    expect([again.code, again.stdout]).toEqual([1, '']);
    const { items } = await get<Page<JoinTokenView>>('/v1/join-tokens');
    expect(items.filter(({ node }) => node === name)).toHaveLength(1);
    await running;
  }, 180_000);

  it.each([[[]], [['--json']]])(
    'ends, and tells why, where hosts are refused (%j)',
    async (more) => {
      const args = ['sim', '--nodes=300', '--duration=1s', ...more];
      const tries = product.cli(args, { timeoutMs: 150_000 });
      const token = await eventually('a host has come by the token', BACK_WITHIN_MS, async () => {
        const { items } = await get<Page<JoinTokenView>>('/v1/join-tokens');
        return items.find(({ uses, usesLeft }) => uses === 300 && usesLeft < uses)?.id;
      });
      await product.must(['delete', 'join-token', token]);
      const { code, stdout, stderr } = await tries;
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/\d+ hosts did not come/),
      });
      expect(stdout).toMatch(/^(trouble: | *")sim-\S+: .*join token/m);
      expect(await connected()).toEqual([]);
    },
    180_000,
  );
});
