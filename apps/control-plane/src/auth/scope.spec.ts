import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { selectsNode, type LabelExpression, type PolicySelector } from '#policy-model';
import { networkOf } from '../http/source-network.js';
import { Scope } from './scope.js';

const host = (labels: Record<string, string>) => ({ name: 'web1', labels });

describe('a scope', () => {
  it('has the hosts that its labels select, and no others', () => {
    const scope = Scope.parse('team=a,env in (prod,stage)');
    expect(scope.has(host({ team: 'a', env: 'prod' }))).toBe(true);
    expect(scope.has(host({ team: 'a' }))).toBe(false);
    expect(scope.has(host({ team: 'b', env: 'prod' }))).toBe(false);
  });

  it.each(['hostward.io/group=g', 'hostward.io/all-hosts=true', 'kubearmor.io/hostname=web1', ''])(
    'cannot be %p',
    (text) => {
      expect(() => Scope.parse(text)).toThrow();
    },
  );

  it.each<[string, PolicySelector, boolean]>([
    ['team=a', { matchLabels: { team: 'a', env: 'prod' } }, true],
    ['team=a', { matchLabels: { env: 'prod' } }, false],
    ['team=a', { matchLabels: { 'hostward.io/group': 'a' } }, false],
    ['team=a', { matchLabels: { 'hostward.io/all-hosts': 'true' } }, false],
    ['team=a', { matchLabels: { 'kubearmor.io/hostname': 'web1' } }, false],
    ['team=a', {}, false],
    ['team in (a,b)', { matchLabels: { team: 'b' } }, true],
    [
      'team in (a,b)',
      { matchExpressions: [{ key: 'team', operator: 'In', values: ['a', 'c'] }] },
      false,
    ],
    ['team notin (x)', { matchLabels: { team: 'a' } }, true],
    ['team notin (x)', { matchLabels: { team: 'x' } }, false],
    ['!team', { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] }, true],
    ['!team', { matchLabels: { team: 'a' } }, false],
    ['team', { matchLabels: { team: 'a' } }, true],
    ['team', { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['x'] }] }, false],
  ])('%s contains %j: %p', (text, selector, contained) => {
    expect(Scope.parse(text).contains(selector)).toBe(contained);
  });

  it('contains no selector that selects any host outside of it', () => {
    const key = fc.constantFrom('a', 'b');
    const values = fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1 });
    const term = fc
      .tuple(key, fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'), values)
      .map(([name, operator, listed]): LabelExpression =>
        operator === 'In' || operator === 'NotIn'
          ? { key: name, operator, values: listed }
          : { key: name, operator },
      );
    const terms = fc.array(term, { minLength: 1, maxLength: 3 });
    const labels = fc.dictionary(key, fc.constantFrom('x', 'y', 'z', 'w'));
    fc.assert(
      fc.property(terms, terms, labels, (wanted, written, has) => {
        const scope = Scope.parse(wanted.map(textOf).join(','));
        const selector = { matchExpressions: written };
        const selected = selectsNode(selector, host(has), new Map());
        return !scope.contains(selector) || !selected || scope.has(host(has));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the network of a source', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('of %s is %s', (source, network) => {
    expect(networkOf(source)).toBe(network);
  });
});

function textOf({ key, operator, values = [] }: LabelExpression): string {
  switch (operator) {
    case 'In':
      return `${key} in (${values.join(',')})`;
    case 'NotIn':
      return `${key} notin (${values.join(',')})`;
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
  }
}
