import { describe, expect, it } from '@jest/globals';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import { compileRuleSet } from './compile.js';
import { debian, exception, policy, ruleSet } from './fixtures/rule-sets.js';

type Spec = Omit<HostPolicySpec, 'nodeSelector'>;

const NGINX = [{ path: '/usr/sbin/nginx' }];
const SRV = { file: { matchDirectories: [{ dir: '/srv/', recursive: true }] } };

describe.each([
  ['AppArmor', debian()],
  ['BPF', debian({ bpf: true })],
])('a Block under stronger rules, on %s', (_enforcer, host) => {
  const planOf = (block: Spec, ...others: readonly HostPolicy[]) =>
    compileRuleSet(ruleSet(policy('block', block), ...others), host).report.policies.find(
      (found) => found.policy === 'block',
    )?.rules[0];

  it.each<[string, Spec, Spec]>([
    ['a file in a directory', { file: { matchPaths: [{ path: '/srv/key' }] } }, SRV],
    [
      'the same path',
      { process: { matchPaths: [{ path: '/opt/t' }] } },
      { process: { matchPaths: [{ path: '/opt/t' }] } },
    ],
    [
      'a smaller directory',
      { file: { matchDirectories: [{ dir: '/srv/a/', recursive: true }] } },
      SRV,
    ],
    [
      'the same pattern',
      { file: { matchPatterns: [{ pattern: '/srv/*.key' }] } },
      { file: { matchPatterns: [{ pattern: '/srv/*.key' }] } },
    ],
    [
      'one program, as all may',
      { file: { matchPaths: [{ path: '/srv/key', fromSource: NGINX }] } },
      SRV,
    ],
    [
      'a protocol',
      { network: { matchProtocols: [{ protocol: 'udp' }] } },
      { network: { matchProtocols: [{ protocol: 'udp' }] } },
    ],
    [
      'a capability',
      { capabilities: { matchCapabilities: [{ capability: 'net_raw' }] } },
      { capabilities: { matchCapabilities: [{ capability: 'net_raw' }] } },
    ],
  ])('that allow all of it is said to be overruled, by which rule: %s', (_what, block, allow) => {
    expect(planOf(block, exception(allow))).toMatchObject({
      plan: 'overruled',
      reason: expect.stringMatching(
        /^nothing is left of it here: patch-day \w+\/match\w+\/0 allows all that it denies$/,
      ),
    });
  });

  it.each<[string, Spec, Spec]>([
    ['one file of a directory', SRV, { file: { matchPaths: [{ path: '/srv/key' }] } }],
    [
      'reading of what may be neither read nor written',
      { file: { matchPaths: [{ path: '/srv/key' }] } },
      { file: { matchDirectories: [{ dir: '/srv/', recursive: true, readOnly: true }] } },
    ],
    [
      'for one program',
      { file: { matchPaths: [{ path: '/srv/key' }] } },
      { file: { matchPaths: [{ path: '/srv/key', fromSource: NGINX }] } },
    ],
    [
      'for one program of two',
      {
        file: {
          matchPaths: [{ path: '/srv/key', fromSource: [...NGINX, { path: '/usr/bin/cat' }] }],
        },
      },
      { file: { matchPaths: [{ path: '/srv/key', fromSource: NGINX }] } },
    ],
    [
      'for the owner alone',
      { file: { matchPaths: [{ path: '/srv/key' }] } },
      { file: { matchPaths: [{ path: '/srv/key', ownerOnly: true }] } },
    ],
    [
      'reading of a program',
      { process: { matchPaths: [{ path: '/opt/t' }] } },
      { file: { matchPaths: [{ path: '/opt/t' }] } },
    ],
    [
      'another protocol',
      { network: { matchProtocols: [{ protocol: 'raw' }] } },
      { network: { matchProtocols: [{ protocol: 'udp' }] } },
    ],
  ])('that allow a part of it is enforced: %s', (_what, block, allow) => {
    expect(planOf(block, exception(allow))).toMatchObject({ plan: 'enforce' });
  });

  it('that are no stronger is enforced', () => {
    const block: Spec = { file: { matchPaths: [{ path: '/srv/key' }] } };
    expect(planOf(block, policy('other', { ...SRV, action: 'Allow' }))).toMatchObject({
      plan: 'enforce',
    });
  });
});
