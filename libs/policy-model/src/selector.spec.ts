import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  explainSelection,
  type LabelSelector,
  type PolicySelector,
  selectsNode,
  type TargetNode,
} from './index.js';
import { matchesGlob } from './glob.js';

const web1: TargetNode = { name: 'web1', labels: { env: 'prod', tier: 'web' } };
const groups = new Map<string, LabelSelector>([
  ['webservers', { matchLabels: { tier: 'web' } }],
  ['nested', { matchLabels: { 'hostward.io/group': 'webservers' } }],
]);

function selected(selector: PolicySelector, node = web1): boolean {
  const answer = selectsNode(selector, node, groups);
  expect(explainSelection(selector, node, groups).selected).toBe(answer);
  return answer;
}

describe('selectsNode', () => {
  it('asks for all labels, never for one of them', () => {
    expect(selected({ matchLabels: { env: 'prod', tier: 'web' } })).toBe(true);
    expect(selected({ matchLabels: { env: 'prod', tier: 'db' } })).toBe(false);
    expect(selected({ matchLabels: { env: 'prod', absent: '' } })).toBe(false);
  });

  it('selects nothing by an empty selector', () => {
    expect(selected({})).toBe(false);
    expect(selected({ matchLabels: {}, matchExpressions: [] })).toBe(false);
  });

  it('selects every host only where the policy says so', () => {
    expect(selected({ matchLabels: { 'hostward.io/all-hosts': 'true' } })).toBe(true);
    expect(selected({ matchLabels: { 'hostward.io/all-hosts': 'false' } })).toBe(false);
    expect(selected({ matchLabels: { 'hostward.io/all-hosts': 'true', env: 'dev' } })).toBe(false);
  });

  it.each([
    ['In', ['prod', 'dev'], true],
    ['In', ['dev'], false],
    ['NotIn', ['dev'], true],
    ['NotIn', ['prod'], false],
  ] as const)('answers env %s %j with %s', (operator, values, answer) => {
    expect(selected({ matchExpressions: [{ key: 'env', operator, values }] })).toBe(answer);
  });

  it('lets NotIn and DoesNotExist hold where the label is absent', () => {
    expect(selected({ matchExpressions: [{ key: 'old', operator: 'NotIn', values: ['x'] }] })).toBe(
      true,
    );
    expect(selected({ matchExpressions: [{ key: 'old', operator: 'DoesNotExist' }] })).toBe(true);
    expect(selected({ matchExpressions: [{ key: 'env', operator: 'Exists' }] })).toBe(true);
    expect(selected({ matchExpressions: [{ key: 'env', operator: 'DoesNotExist' }] })).toBe(false);
  });

  it('reads KubeArmor host names exactly, as a list, and as *', () => {
    const byName = (names: string): boolean =>
      selected({ matchLabels: { 'kubearmor.io/hostname': names } });
    expect(byName('web1')).toBe(true);
    expect(byName('web')).toBe(false);
    expect(byName('web10')).toBe(false);
    expect(byName('db1, web1')).toBe(true);
    expect(byName('*')).toBe(true);
    expect(byName('web*')).toBe(false);
  });

  it('never takes web1 for web10', () => {
    const web10 = { name: 'web10', labels: {} };
    expect(selected({ matchLabels: { 'kubearmor.io/hostname': 'web1' } }, web10)).toBe(false);
    expect(selected({ matchLabels: { 'kubearmor.io/hostnamereg': 'web1' } }, web10)).toBe(false);
    expect(selected({ matchLabels: { 'kubearmor.io/hostname': 'web10' } })).toBe(false);
    expect(selected({ matchLabels: { 'kubearmor.io/hostnamereg': 'web1*' } }, web10)).toBe(true);
  });

  it('does not believe a label that claims another host name', () => {
    const liar = { name: 'liar', labels: { 'kubearmor.io/hostname': 'web1' } };
    expect(selected({ matchLabels: { 'kubearmor.io/hostname': 'web1' } }, liar)).toBe(false);
    const expression = { key: 'kubearmor.io/hostname', operator: 'In', values: ['web1'] } as const;
    expect(selected({ matchExpressions: [expression] }, liar)).toBe(false);
    expect(selected({ matchExpressions: [expression] })).toBe(true);
  });

  it('selects by group, and by no group that is missing or names a group', () => {
    expect(selected({ matchLabels: { 'hostward.io/group': 'webservers' } })).toBe(true);
    expect(selected({ matchLabels: { 'hostward.io/group': 'missing' } })).toBe(false);
    expect(selected({ matchLabels: { 'hostward.io/group': 'nested' } })).toBe(false);
  });

  it('is not misled by labels named like parts of JavaScript objects', () => {
    expect(selected({ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] })).toBe(
      false,
    );
    expect(selected({ matchExpressions: [{ key: 'toString', operator: 'Exists' }] })).toBe(false);
  });
});

describe('explainSelection', () => {
  it('shows each test with the answer of the node', () => {
    const selector = { matchLabels: { env: 'dev', 'hostward.io/group': 'webservers' } };
    expect(explainSelection(selector, web1, groups)).toEqual({
      selected: false,
      tests: [
        { test: 'env = dev', actual: 'prod', passed: false },
        {
          test: 'group webservers',
          actual: 'member',
          passed: true,
          within: [{ test: 'tier = web', actual: 'web', passed: true }],
        },
      ],
    });
  });

  it('says when a group does not exist and when a label is absent', () => {
    const selector = { matchLabels: { 'hostward.io/group': 'x', old: 'y' } };
    const { tests } = explainSelection(selector, web1, groups);
    expect(tests.map(({ actual }) => actual)).toEqual(['(no such group)', '(absent)']);
  });
});

describe('matchesGlob', () => {
  it('agrees with an anchored regular expression on short inputs', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
    const names = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
    fc.assert(
      fc.property(letters, names, (glob, name) => {
        const pattern = new RegExp(`^${glob.replaceAll('*', '.*')}$`);
        expect(matchesGlob(glob, name)).toBe(pattern.test(name));
      }),
      { numRuns: 2000 },
    );
  });

  it('has a character for a single one where it is told which', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    const names = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
    fc.assert(
      fc.property(letters, names, (glob, name) => {
        const pattern = new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesGlob(glob, name, '?')).toBe(pattern.test(name));
      }),
      { numRuns: 2000 },
    );
    expect(matchesGlob('web?', 'web1')).toBe(false);
  });

  it('takes characters of regular expressions as they stand', () => {
    expect(matchesGlob('web.1', 'webx1')).toBe(false);
    expect(matchesGlob('(web|db)', 'web')).toBe(false);
  });

  it('answers a value made to hang a backtracking matcher', () => {
    expect(matchesGlob('*a'.repeat(2000), `${'a'.repeat(4000)}b`)).toBe(false);
  });
});
