import { beforeAll, describe, expect, it } from '@jest/globals';
import { etcdKeys, type WatchMessage } from '#etcd';
import type { Caller } from '../auth/caller.js';
import { permissionsOf } from '../auth/permission.js';
import { Scope } from '../auth/scope.js';
import { checkWrites } from './write-gate.js';
import { ListQuery } from '../http/list.query.js';
import { TimedAccess } from '../nodes/timed-access.js';
import { MAIN_SHARD } from '../config/redis-shards.js';
import { redisHealth } from './redis-shard.js';
import { NodeStatusController } from '../reports/node-status.controller.js';
import { PolicyNodesQuery } from '../reports/policy-nodes.query.js';
import type { StatusReader } from '../reports/status-reader.js';
import {
  changes,
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  putException,
  putGroup,
  putNode,
  putPolicy,
  putSuspension,
  snapshot,
  suspensionRecord,
  testKeks,
} from '../testing/records.js';
import { statusReader } from '../testing/status-reader.js';
import { stepsOf } from '../testing/steps.js';
import { Fleet } from './fleet.js';
import { FleetView } from './fleet-view.js';

const HOSTS = 10_000;
const POLICIES = 1_000;
/** Hosts of one policy, of one rack and of one group. */
const FEW = HOSTS / POLICIES;
/** What it may cost, at most: with 20 hosts still far from the 10,000 of the shortest look at all. */
const stepsFor = (hit: number): number => 2_000 + 200 * hit;

const hostName = (at: number): string => `h${String(at).padStart(5, '0')}`;
const labelsOf = (at: number) => ({
  env: 'prod',
  app: `app${at % POLICIES}`,
  rack: `rack${Math.floor(at / FEW)}`,
});
const hosts = (over: Record<string, string> = {}) =>
  Array.from({ length: HOSTS }, (_, at) =>
    putNode(
      nodeRecord(hostName(at), { ...labelsOf(at), ...over }, at.toString(16).padStart(64, '0')),
    ),
  );
const policies = Array.from({ length: POLICIES }, (_, at) =>
  putPolicy(policyRecord(hostPolicy(`p${at}`, { env: 'prod', app: `app${at}` }))),
);

/** Of single hosts far from those that the tests change, so that there are some. */
const brakes = Array.from({ length: 800 }, (_, at) => [
  putSuspension(suspensionRecord(`s${at}`, { target: { node: hostName(5_000 + at) } })),
  putException(`p${100 + at}`, `e${at}`),
]).flat();

const NOW_MS = 1_772_366_400_000;
const ADMIN: Caller = {
  actor: 'admin',
  source: '127.0.0.1',
  roles: ['admin'],
  permissions: permissionsOf(['admin'], false),
  stillCounts: () => true,
};
const timed = new TimedAccess();
let fleet: Fleet;
let status: StatusReader;
let lists: NodeStatusController;
let revision = 10n;

/** The hosts that a change affects, and the steps it takes to know them and what each is to have. */
function take(message: WatchMessage): { readonly affected: number; readonly steps: number } {
  let affected: readonly string[] = [];
  const steps = stepsOf(() => {
    const changed = fleet.state.apply(message);
    const { nodes, removed } = changed;
    affected = [...nodes, ...removed];
    for (const node of nodes) {
      fleet.state.activePolicies(node);
      fleet.state.suspensionOf(node);
    }
    timed.take(changed, fleet.state, NOW_MS);
    timed.due(NOW_MS);
  });
  return { affected: affected.length, steps };
}

const change = (...args: Parameters<typeof changes> extends [bigint, ...infer R] ? R : never) =>
  take(changes((revision += 1n), ...args));

function expectCheap(
  { affected, steps }: { readonly affected: number; readonly steps: number },
  hit: number,
): void {
  expect(affected).toBe(hit);
  expect(steps).toBeLessThanOrEqual(stepsFor(hit));
}

function query<Q extends object>(made: Q, over: Partial<Q>): Q {
  return Object.assign(made, over);
}

beforeAll(() => {
  fleet = new Fleet(testKeks);
  const everywhere = putPolicy(policyRecord(hostPolicy('everywhere', { env: 'prod' })));
  const grouped = putPolicy(policyRecord(hostPolicy('grouped', { 'hostward.io/group': 'g' })));
  fleet.take(snapshot(10n, ...hosts(), ...policies, ...brakes, everywhere, grouped));
  status = statusReader(fleet);
  lists = new NodeStatusController(fleet, status);
});

describe('among 10,000 hosts and 1,000 policies, with suspensions and exceptions in force, a change costs the hosts it affects:', () => {
  it('a policy of one host that is new, changes and goes', () => {
    const one = (path: string) =>
      putPolicy(policyRecord(hostPolicy('one', { 'kubearmor.io/hostname': hostName(1) }, path)));
    expectCheap(change([one('/usr/bin/nc')]), 1);
    expectCheap(change([one('/usr/bin/id')]), 1);
    expectCheap(change([], [etcdKeys.policy('one')]), 1);
  });

  it('labels of one host', () => {
    const moved = nodeRecord(hostName(2), { ...labelsOf(2), app: 'app3' }, '2'.padStart(64, '0'));
    expectCheap(change([putNode(moved)]), 1);
    expect(fleet.state.activePolicies(hostName(2)).map(({ record }) => record.name)).toEqual([
      'everywhere',
      'p3',
    ]);
  });

  it('a host that joins, and one that goes', () => {
    expectCheap(change([putNode(nodeRecord('h04000a', labelsOf(4), 'a'.repeat(64)))]), 1);
    expectCheap(change([], [etcdKeys.node('h04000a')]), 1);
  });

  it('a group that comes, moves and goes', () => {
    expectCheap(change([putGroup(groupRecord('g', { rack: 'rack5' }))]), FEW);
    expectCheap(change([putGroup(groupRecord('g', { rack: 'rack6' }))]), 2 * FEW);
    expectCheap(change([], [etcdKeys.group('g')]), FEW);
  });

  it('a suspension of one host, of a few by label or group, and its end', () => {
    const suspend = (target: Parameters<typeof suspensionRecord>[1]['target']) =>
      change([putSuspension(suspensionRecord('s', { target }))]);
    const end = () => change([], [etcdKeys.suspension('s')]);
    expectCheap(suspend({ node: hostName(7) }), 1);
    expect(fleet.state.suspensionOf(hostName(7))?.id).toBe('s');
    expectCheap(end(), 1);
    expectCheap(suspend({ selector: 'env=prod,rack=rack8' }), FEW);
    expectCheap(end(), FEW);
    expectCheap(change([putGroup(groupRecord('braked', { rack: 'rack9' }))]), 0);
    expectCheap(suspend({ selector: 'hostward.io/group=braked' }), FEW);
    expectCheap(change([putGroup(groupRecord('braked', { rack: 'rack10' }))]), 2 * FEW);
    expectCheap(end(), FEW);
  });
});

describe('among as many, a question costs what it shows:', () => {
  const list = (over: Partial<ListQuery>) => {
    let shown: readonly string[] = [];
    const steps = stepsOf(() => {
      shown = lists.list(query(new ListQuery(), over)).items.map(({ node }) => node);
    });
    return { shown, steps };
  };

  it('a page of hosts by a label that few have, or all', () => {
    const few = list({ selector: 'rack=rack20,env=prod' });
    expect(few.shown).toEqual(Array.from({ length: FEW }, (_, at) => hostName(200 + at)));
    expect(few.steps).toBeLessThanOrEqual(stepsFor(FEW));
    const cursor = Buffer.from(hostName(9_000)).toString('base64url');
    for (const selector of ['env=prod', undefined]) {
      const page = list({ selector, limit: 20, cursor });
      expect(page.shown).toEqual(Array.from({ length: 20 }, (_, at) => hostName(9_001 + at)));
      expect(page.steps).toBeLessThanOrEqual(stepsFor(20));
    }
  });

  it('a page of hosts by name, however many match, with a selector or without', () => {
    for (const selector of [undefined, 'env=prod']) {
      const few = list({ selector, name: 'h0900*' });
      expect(few.shown).toEqual(Array.from({ length: 10 }, (_, at) => hostName(9_000 + at)));
      expect(few.steps).toBeLessThanOrEqual(stepsFor(10));
      const cursor = Buffer.from(hostName(5_000)).toString('base64url');
      const page = list({ selector, name: '*7?', limit: 20, cursor });
      expect(page.shown).toEqual(
        Array.from({ length: 20 }, (_, at) =>
          hostName(5_070 + 100 * Math.floor(at / 10) + (at % 10)),
        ),
      );
      expect(page.steps).toBeLessThanOrEqual(stepsFor(20));
    }
  });

  it.each([
    ['everywhere', 20, hostName(9_001)],
    ['p20', 3, hostName(9_020)],
  ])('a page of the hosts of the policy %s', (policy, limit, first) => {
    const cursor = Buffer.from(hostName(9_000)).toString('base64url');
    let shown: readonly string[] = [];
    const steps = stepsOf(() => {
      const page = status.policyNodes(policy, query(new PolicyNodesQuery(), { limit, cursor }));
      shown = page.items.map(({ node }) => node);
    });
    expect(shown[0]).toBe(first);
    expect(steps).toBeLessThanOrEqual(stepsFor(shown.length));
  });

  it('one host among those of a policy', () => {
    const only = query(new PolicyNodesQuery(), { node: hostName(9_999) });
    expect(stepsOf(() => status.policyNodes('everywhere', only))).toBeLessThanOrEqual(stepsFor(1));
  });

  it('whether each Redis that hosts are on is known here, which every status asks', () => {
    const moved = nodeRecord(hostName(11), labelsOf(11), 'b'.repeat(64));
    const { enrollment } = moved;
    fleet.take(
      changes((revision += 1n), [
        putNode({ ...moved, enrollment: enrollment && { ...enrollment, redisShard: 'other' } }),
      ]),
    );
    const known = new Map([[MAIN_SHARD, { ok: true, detail: '' }]]);
    let detail: string | undefined;
    const steps = stepsOf(() => {
      detail = redisHealth(fleet.state, known).redisShards?.detail;
    });
    expect(detail).toContain('1 host is on the Redis other');
    expect(steps).toBeLessThanOrEqual(stepsFor(1));
  });

  it('the status of a policy of all, in the scope of a few', () => {
    const view = new FleetView(fleet.state, Scope.parse('rack=rack30'));
    let count = 0;
    const steps = stepsOf(() => {
      count = view.index.countOf('everywhere');
    });
    expect(count).toBe(FEW);
    expect(steps).toBeLessThanOrEqual(stepsFor(FEW));
  });

  it('the fleet in the scope of a few: these hosts and a look at each policy, group and suspension', () => {
    const steps = stepsOf(() => new FleetView(fleet.state, Scope.parse('rack=rack30')));
    expect(steps).toBeLessThanOrEqual(stepsFor(FEW) + 20 * 2 * POLICIES);
  });

  it('what a policy would select that is not written: its rarest term, and the groups that change', () => {
    const { index } = fleet.state;
    const steps = stepsOf(() => {
      const g = index.membersBy({ matchLabels: { rack: 'rack7' } });
      const grouped = { matchLabels: { env: 'prod', 'hostward.io/group': 'g' } };
      const app = { matchLabels: { env: 'prod', app: 'app7' } };
      expect(index.nodesBy(app, new Map()).size).toBe(FEW);
      expect(index.nodesBy(grouped, new Map([['g', g]])).size).toBe(FEW);
    });
    expect(steps).toBeLessThanOrEqual(stepsFor(2 * FEW));
  });

  it('the gate before etcd: each write of a change by itself, whatever is written beside it', () => {
    const written = policies.slice(0, 500).flatMap(({ key, value }) => [
      { type: 'put' as const, key, value: JSON.stringify(value) },
      { type: 'put' as const, key: `${etcdKeys.histories}${key.split('/').at(-1)}/1`, value: '' },
    ]);
    const auditLog = { by: 'test', action: 'apply', target: '500 documents' };
    const change = { if: [], then: written, auditLog };
    const steps = stepsOf(() => checkWrites(ADMIN, fleet.state, change));
    expect(steps).toBeLessThanOrEqual(400 * written.length);
  });

  it('the status of one host', () => {
    expect(stepsOf(() => status.node(hostName(42)))).toBeLessThanOrEqual(stepsFor(1));
  });
});
