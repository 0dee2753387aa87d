import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  groupSelects,
  type LabelSelector,
  type PolicySelector,
  selectsNode,
  TargetIndex,
  type TargetNode,
} from './index.js';

/** The definition of targeting, asked for every pair: what the index must say at any moment. */
class NaiveTargets {
  readonly nodes = new Map<string, TargetNode>();
  readonly policies = new Map<string, PolicySelector>();
  readonly suspensions = new Map<string, PolicySelector>();
  readonly groups = new Map<string, LabelSelector>();

  /** Names of the policies, or suspensions, that hold on a node. */
  holding(kind: Kind, node: TargetNode): string[] {
    const names = [...this[kind]].filter(([, selector]) =>
      selectsNode(selector, node, this.groups),
    );
    return names.map(([name]) => name).sort();
  }

  /** What holds on every node, by node. */
  all(): Map<string, { readonly policies: string[]; readonly suspensions: string[] }> {
    return new Map(
      [...this.nodes.values()].map((node) => [
        node.name,
        {
          policies: this.holding('policies', node),
          suspensions: this.holding('suspensions', node),
        },
      ]),
    );
  }
}

type Kind = 'policies' | 'suspensions';

interface Step {
  readonly title: string;
  /** Changes both and returns what the index says is affected, and nodes that must be among them in any case. */
  readonly run: (
    index: TargetIndex,
    naive: NaiveTargets,
  ) => { affected: ReadonlySet<string>; touched: readonly string[] };
}

const nodeName = fc.constantFrom('web1', 'web10', 'web2', 'db1');
const policyName = fc.constantFrom('p1', 'p2', 'p3', 'p4');
const kind = fc.constantFrom<Kind>('policies', 'suspensions');
const groupName = fc.constantFrom('g1', 'g2');
const key = fc.constantFrom('env', 'tier', 'rack');
const value = fc.constantFrom('a', 'b', 'ab');
const hostname = fc.constantFrom('web1', 'web10', 'web1,db1', ' web2 , web10', '*', 'web');
const glob = fc.constantFrom('web1*', '*1', 'w*1*', 'web*', '*', 'web1', '*e*b*0');

const labels: fc.Arbitrary<Record<string, string>> = fc.dictionary(key, value, { maxKeys: 3 });

const expression = fc.oneof(
  fc.record({
    key: fc.oneof(key, fc.constant('kubearmor.io/hostname')),
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.array(fc.oneof(value, nodeName), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
);

function definedEntries(record: Record<string, string | undefined>): [string, string][] {
  return Object.entries(record).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, text]],
  );
}

function selector(marks: boolean): fc.Arbitrary<LabelSelector> {
  const special: Record<string, fc.Arbitrary<string>> = {
    'kubearmor.io/hostname': hostname,
    'kubearmor.io/hostnamereg': glob,
    'hostward.io/all-hosts': fc.constant('true'),
    ...(marks && { 'hostward.io/group': groupName }),
  };
  const matchLabels: fc.Arbitrary<Record<string, string>> = fc
    .tuple(fc.dictionary(key, value, { maxKeys: 2 }), fc.record(special, { requiredKeys: [] }))
    .map(([plain, marked]) =>
      Object.fromEntries([...Object.entries(plain), ...definedEntries(marked)]),
    );
  const matchExpressions = fc.array(expression, { maxLength: 2 });
  const one = fc.oneof(
    fc.dictionary(key, value, { minKeys: 1, maxKeys: 2 }),
    ...(marks ? [groupName.map((name) => ({ 'hostward.io/group': name }))] : []),
  );
  return fc.oneof(
    { weight: 3, arbitrary: one.map((only) => ({ matchLabels: only })) },
    {
      weight: 3,
      arbitrary: fc.record({ matchLabels, matchExpressions }, { requiredKeys: [] }),
    },
  );
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ name: nodeName, labels }).map((node): Step => ({
      title: `setNode ${JSON.stringify(node)}`,
      run: (index, naive) => {
        const touched = naive.nodes.has(node.name) ? [] : [node.name];
        naive.nodes.set(node.name, node);
        return { affected: index.setNode(node), touched };
      },
    })),
  },
  nodeName.map((name): Step => ({
    title: `removeNode ${name}`,
    run: (index, naive) => {
      const touched = naive.nodes.delete(name) ? [name] : [];
      return { affected: index.removeNode(name), touched };
    },
  })),
  {
    weight: 4,
    arbitrary: fc.tuple(kind, policyName, selector(true)).map(([of, name, wanted]): Step => ({
      title: `set ${name} of ${of} ${JSON.stringify(wanted)}`,
      run: (index, naive) => {
        const selected = (): string[] =>
          [...naive.nodes.values()]
            .filter((node) => naive.holding(of, node).includes(name))
            .map((node) => node.name);
        const before = selected();
        naive[of].set(name, wanted);
        const affected =
          of === 'policies' ? index.setPolicy(name, wanted) : index.setSuspension(name, wanted);
        return { affected, touched: [...before, ...selected()] };
      },
    })),
  },
  fc.tuple(kind, policyName).map(([of, name]): Step => ({
    title: `remove ${name} of ${of}`,
    run: (index, naive) => {
      naive[of].delete(name);
      const affected = of === 'policies' ? index.removePolicy(name) : index.removeSuspension(name);
      return { affected, touched: [] };
    },
  })),
  {
    weight: 2,
    arbitrary: fc.tuple(groupName, selector(false)).map(([name, wanted]): Step => ({
      title: `setGroup ${name} ${JSON.stringify(wanted)}`,
      run: (index, naive) => {
        naive.groups.set(name, wanted);
        return { affected: index.setGroup(name, wanted), touched: [] };
      },
    })),
  },
  groupName.map((name): Step => ({
    title: `removeGroup ${name}`,
    run: (index, naive) => {
      naive.groups.delete(name);
      return { affected: index.removeGroup(name), touched: [] };
    },
  })),
);

/** Nodes on which others hold, or that are new or gone, and those the step touched anyway. */
function expectedAffected(
  before: ReturnType<NaiveTargets['all']>,
  after: ReturnType<NaiveTargets['all']>,
  touched: readonly string[],
): string[] {
  const changed = [...before.keys(), ...after.keys()].filter(
    (name) => JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name)),
  );
  return [...new Set([...changed, ...touched])].sort();
}

function takeStep({ title, run }: Step, index: TargetIndex, naive: NaiveTargets): void {
  const before = naive.all();
  const { affected, touched } = run(index, naive);
  const after = naive.all();
  expect({ title, affected: [...affected].sort() }).toEqual({
    title,
    affected: expectedAffected(before, after, touched),
  });
  for (const group of ['g1', 'g2']) {
    const members = [...naive.nodes.values()].filter((node) =>
      groupSelects(group, node, naive.groups),
    );
    expect([...index.membersOf(group)].sort()).toEqual(members.map(({ name }) => name).sort());
  }
  for (const [node, { policies, suspensions }] of after) {
    expect({
      title,
      node,
      policies: [...index.policiesOf(node)].sort(),
      suspensions: [...index.suspensionsOf(node)].sort(),
    }).toEqual({ title, node, policies, suspensions });
    for (const policy of naive.policies.keys()) {
      const selected = policies.includes(policy);
      expect(index.nodesOf(policy).has(node)).toBe(selected);
      expect(index.selects(policy, node)).toBe(selected);
      expect(index.countOf(policy)).toBe(index.nodesOf(policy).size);
    }
  }
}

describe('TargetIndex', () => {
  it('says at every moment what the naive matcher says, and names exactly the nodes that a change affects', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const index = new TargetIndex();
        const naive = new NaiveTargets();
        for (const each of steps) takeStep(each, index, naive);
      }),
      { numRuns: 400 },
    );
  });

  it('finds among few all nodes that a selector selects, and finds no more than asked for', () => {
    const nodes = fc.uniqueArray(fc.record({ name: nodeName, labels }), {
      selector: ({ name }) => name,
    });
    fc.assert(
      fc.property(nodes, selector(false), fc.nat({ max: 4 }), (all, wanted, most) => {
        const index = new TargetIndex();
        for (const node of all) index.setNode(node);
        const selected = all.filter((node) => selectsNode(wanted, node, new Map()));
        const few = index.few(wanted, most);
        expect(few?.size ?? 0).toBeLessThanOrEqual(most);
        for (const { name } of selected) expect(few?.has(name) ?? true).toBe(true);
        expect(index.few(wanted, Number.POSITIVE_INFINITY)).toBeDefined();
      }),
    );
    const index = new TargetIndex();
    for (const name of ['web1', 'web2']) index.setNode({ name, labels: { env: 'prod' } });
    const prod = { matchLabels: { env: 'prod' } };
    expect([index.few(prod, 1), index.few(prod, 2)?.size]).toEqual([undefined, 2]);
  });

  it('says what a policy would select, with groups as they would be, as the naive matcher does', () => {
    const groups = fc.dictionary(groupName, selector(false));
    const history = fc.array(step, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(history, selector(true), groups, (steps, wanted, changed) => {
        const index = new TargetIndex();
        const naive = new NaiveTargets();
        for (const { run } of steps) run(index, naive);
        const members = new Map(
          Object.entries(changed).map(([name, of]) => [name, index.membersBy(of)]),
        );
        const after = new Map([...naive.groups, ...Object.entries(changed)]);
        const selected = [...naive.nodes.values()].filter((node) =>
          selectsNode(wanted, node, after),
        );
        expect([...index.nodesBy(wanted, members)].sort()).toEqual(
          selected.map(({ name }) => name).sort(),
        );
      }),
      { numRuns: 400 },
    );
  });

  it('leaves web10 alone when web1 is offboarded', () => {
    const index = new TargetIndex();
    index.setNode({ name: 'web1', labels: { env: 'prod' } });
    index.setNode({ name: 'web10', labels: { env: 'prod' } });
    index.setPolicy('all-prod', { matchLabels: { env: 'prod' } });
    index.setPolicy('only-web1', { matchLabels: { 'kubearmor.io/hostname': 'web1' } });
    expect([...index.removeNode('web1')]).toEqual(['web1']);
    expect([...index.policiesOf('web10')]).toEqual(['all-prod']);
    expect([...index.nodesOf('only-web1')]).toEqual([]);
  });

  it('re-targets by a group that comes after the policy that names it, and when the group goes', () => {
    const index = new TargetIndex();
    index.setPolicy('p', { matchLabels: { 'hostward.io/group': 'web' } });
    index.setNode({ name: 'web1', labels: { tier: 'web' } });
    expect([...index.policiesOf('web1')]).toEqual([]);
    expect([...index.setGroup('web', { matchLabels: { tier: 'web' } })]).toEqual(['web1']);
    expect([...index.groupsOf('web1')]).toEqual(['web']);
    expect([...index.removeGroup('web')]).toEqual(['web1']);
    expect([...index.policiesOf('web1')]).toEqual([]);
  });

  it('gives a late joiner its policies at once', () => {
    const index = new TargetIndex();
    index.setGroup('web', { matchLabels: { tier: 'web' } });
    index.setPolicy('p', { matchLabels: { 'hostward.io/group': 'web', env: 'prod' } });
    expect([...index.setNode({ name: 'late', labels: { tier: 'web', env: 'prod' } })]).toEqual([
      'late',
    ]);
    expect([...index.policiesOf('late')]).toEqual(['p']);
  });

  it('looks only at what a change touches', () => {
    const index = new TargetIndex();
    for (let i = 0; i < 2000; i += 1) {
      index.setNode({ name: `n${i}`, labels: { env: 'prod', app: `app${i}` } });
      index.setPolicy(`p${i}`, { matchLabels: { env: 'prod', app: `app${i}` } });
    }
    // Comparing each of 2,000 nodes with each of 2,000 policies would read 4,000,000 selectors; counting reads is exact.
    let reads = 0;
    const counted = new Proxy(
      { env: 'prod', app: 'app7' },
      {
        getOwnPropertyDescriptor: (target, name) => {
          reads += 1;
          return Reflect.getOwnPropertyDescriptor(target, name);
        },
      },
    );
    index.setNode({ name: 'n-counted', labels: counted });
    expect([...index.policiesOf('n-counted')]).toEqual(['p7']);
    expect(reads).toBeLessThan(100);
  });
});
