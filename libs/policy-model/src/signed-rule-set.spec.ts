import { describe, expect, it } from '@jest/globals';
import { InvalidPolicyError, signedRuleSet } from './signed-rule-set.js';

const policy = (name: string, spec: object) => ({
  apiVersion: 'security.kubearmor.com/v1',
  kind: 'KubeArmorHostPolicy',
  metadata: { name },
  spec: { nodeSelector: { matchLabels: { env: 'prod' } }, ...spec },
});
const GOOD = policy('no-nc', {
  process: { matchPaths: [{ path: '/usr/bin/nc' }] },
  action: 'Block',
});

describe('the rule set of a delivery', () => {
  it('is its policies, each at its revision', () => {
    const { policies } = signedRuleSet([{ name: 'no-nc', revision: '7', document: GOOD }]);
    expect(policies.map(({ document, revision }) => [document.metadata.name, revision])).toEqual([
      ['no-nc', '7'],
    ]);
  });

  it.each([
    ['of another name', GOOD, 'other', 'policy other: is not the host policy that was signed'],
    ['of another kind', { ...GOOD, kind: 'Group' }, 'no-nc', 'policy no-nc: '],
    ['that is no object', 'text', 'no-nc', 'policy no-nc: '],
    ['with an action that is none', policy('a', { action: 'Maybe' }), 'a', 'policy a: '],
  ])('refuses a document %s', (_, document, name, message) => {
    const read = () => signedRuleSet([{ name, revision: '1', document }]);
    expect(read).toThrow(InvalidPolicyError);
    expect(read).toThrow(message);
  });
});
