import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { etcdKeys } from '#etcd';
import { parseSelector, selectsNode } from '#policy-model';
import { Scope } from '../auth/scope.js';
import { decodeCursor } from '../http/index.js';
import { ListQuery } from '../http/list.query.js';
import { nodePage } from '../reports/node-page.js';
import type { NodeRecord } from '../records/node.record.js';
import { strongestOf } from '../records/active-suspension.js';
import type { SuspensionRecord } from '../records/suspension.record.js';
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
  suspensionRecord,
  testKeks,
} from '../testing/records.js';
import { statusReader } from '../testing/status-reader.js';
import { Fleet } from './fleet.js';
import { FleetState } from './fleet-state.js';
import { FleetView } from './fleet-view.js';
import { selectedNodes } from './nodes-in-order.js';

type Change = (revision: bigint) => Parameters<FleetState['apply']>[0];

const NODES = Array.from({ length: 12 }, (_, at) => `web${at}`);
const SELECTORS = [
  'env=a',
  'env!=a',
  'env in (a,b),rack',
  '!rack',
  'hostward.io/group=g1',
  'kubearmor.io/hostname=web1',
  'kubearmor.io/hostnamereg=web1*',
  '((',
];
const PATTERNS = ['*', 'web1*', 'w?b1', '*1', '*b?', 'web11', 'x*'];
/** What lists are asked for: a selector, a pattern of names, both. */
const QUESTIONS: readonly (readonly [selector?: string, pattern?: string])[] = [
  ...PATTERNS.map((pattern) => [undefined, pattern] as const),
  ...SELECTORS.filter((each) => each !== '((').flatMap((selector, at) => [
    [selector] as const,
    [selector, PATTERNS[at]] as const,
  ]),
];
const node = fc.constantFrom(...NODES);
const policyName = fc.constantFrom('p1', 'p2');
const id = fc.constantFrom('s1', 's2', 's3');
const group = fc.constantFrom('g1', 'g2');
const labels = fc.record(
  { env: fc.constantFrom('a', 'b'), rack: fc.constantFrom('1', '2') },
  { requiredKeys: [] },
);
const wanted = fc.oneof(
  labels,
  fc.constantFrom<Record<string, string>>(
    { 'hostward.io/group': 'g1' },
    { 'hostward.io/all-hosts': 'true' },
  ),
);
const target = fc.oneof(
  fc.constant({ all: true }),
  fc.oneof(node, fc.constantFrom('*', 'web1,web2')).map((name) => ({ node: name })),
  fc.constantFrom(...SELECTORS).map((selector) => ({ selector })),
);
const puts = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(node, labels).map((made) => putNode(nodeRecord(...made))) },
  fc.tuple(policyName, wanted).map((made) => putPolicy(policyRecord(hostPolicy(...made)))),
  fc.tuple(policyName, id).map((made) => putException(...made)),
  fc.tuple(group, labels).map((made) => putGroup(groupRecord(...made))),
  fc
    .tuple(id, fc.record({ target, mode: fc.constantFrom('audit' as const, 'off' as const) }))
    .map((made) => putSuspension(suspensionRecord(...made))),
);
const deletes = fc.oneof(
  node.map(etcdKeys.node),
  policyName.map(etcdKeys.policy),
  group.map(etcdKeys.group),
  id.map(etcdKeys.suspension),
  fc.tuple(policyName, id).map((made) => etcdKeys.exception(...made)),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: puts.map(
      (made): Change =>
        (revision) =>
          changes(revision, [made]),
    ),
  },
  deletes.map(
    (made): Change =>
      (revision) =>
        changes(revision, [], [made]),
  ),
);

const status = statusReader(new Fleet(testKeks));

/** Whether a suspension is meant for a host, asked of that host alone. */
function isFor({ target: meant }: SuspensionRecord, record: NodeRecord, state: FleetState) {
  if (meant.all) return true;
  if (meant.selector === undefined) return meant.node === record.name;
  if (meant.selector === '((') return false;
  return selectsNode(parseSelector(meant.selector), record, state.groupSelectors());
}

function scannedSuspension(state: FleetState, record: NodeRecord): SuspensionRecord | undefined {
  const all = state.suspensions.sorted().map((stored) => stored.record);
  return strongestOf(all.filter((each) => isFor(each, record, state)));
}

/** Of the policies that are excepted from on a host the exception that counts. */
function scannedExceptions(state: FleetState, node: string): Map<string, string> {
  const all = state.exceptions.sorted().map(({ record }) => record);
  const holding = all.filter(({ madePolicy }) => state.isInForce(madePolicy, node));
  return new Map(holding.map((record) => [record.policy, record.id]));
}

function scannedNodes(state: FleetState, selector?: string, pattern = '*'): string[] {
  const named = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  const all = state.nodes.sorted().map(({ record }) => record);
  return all
    .filter(({ name }) => named.test(name))
    .filter((record) => !selector || selectsNode(parseSelector(selector), record, new Map()))
    .map(({ name }) => name);
}

/** All pages of a list, each of two. */
function paged(state: FleetState, selector?: string, name?: string): string[] {
  const names: string[] = [];
  for (let cursor: string | undefined, more = true; more;) {
    const query = Object.assign(new ListQuery(), { selector, name, limit: 2, cursor });
    const { items, next } = nodePage(state, query, ({ name }) => name);
    names.push(...items);
    if (next !== undefined) expect(decodeCursor(next)).toBe(items.at(-1));
    cursor = next;
    more = next !== undefined;
  }
  return names;
}

/** What each host is to have. */
function assignments(state: FleetState): Map<string, string> {
  return new Map(
    state.nodes.sorted().map(({ name }) => {
      const policies = state.activePolicies(name).map(({ record }) => record.name);
      return [name, JSON.stringify([policies, state.suspensionOf(name)])];
    }),
  );
}

function expectAsScanned(state: FleetState): void {
  for (const { name, record } of state.nodes.sorted()) {
    expect([name, state.suspensionOf(name)]).toEqual([name, scannedSuspension(state, record)]);
    const excepted = status.evidence(state, name).excepted ?? new Map<string, { id: string }>();
    const ids = new Map([...excepted].map(([policy, exception]) => [policy, exception.id]));
    expect(ids).toEqual(scannedExceptions(state, name));
  }
  for (const asked of QUESTIONS)
    expect([asked, paged(state, ...asked)]).toEqual([asked, scannedNodes(state, ...asked)]);
  for (const each of ['p1', 'p2']) {
    const selected = [...state.index.nodesOf(each)].sort();
    expect([...selectedNodes(state, each)]).toEqual(selected);
    expect([...selectedNodes(state, each, 'web1')]).toEqual(selected.filter((n) => n > 'web1'));
  }
}

describe('the indexed answers about a fleet', () => {
  it('are at every moment those of a plain scan, also in a scope, and no host is left out of what a change affects', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 30 }), (history) => {
        const state = new FleetState();
        let revision = 1n;
        for (const next of history) {
          const before = assignments(state);
          const { nodes } = state.apply(next((revision += 1n)));
          for (const [name, assignment] of assignments(state))
            if (before.get(name) !== assignment) expect([...nodes]).toContain(name);
          expectAsScanned(state);
        }
        const view = new FleetView(state, Scope.parse('env=a'));
        expectAsScanned(view);
        for (const { name } of view.nodes.sorted())
          expect(view.suspensionOf(name)).toEqual(state.suspensionOf(name));
        for (const each of ['p1', 'p2']) {
          const seen = [...state.index.nodesOf(each)].filter((name) => view.nodes.get(name));
          expect([...view.index.nodesOf(each)].sort()).toEqual(seen.sort());
          expect(view.index.countOf(each)).toBe(seen.length);
        }
      }),
      { numRuns: 60 },
    );
  });
});
