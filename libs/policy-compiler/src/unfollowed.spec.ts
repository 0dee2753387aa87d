import { describe, expect, it } from '@jest/globals';
import type { HostPolicySpec } from '#policy-model';
import { compileRuleSet } from './compile.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';

type Spec = Omit<HostPolicySpec, 'nodeSelector'>;

const LINK = '/opt/app/current';
const SERVER = [{ path: `${LINK}/bin/server` }];
const REASON = `${LINK} is a link that others than root can change, and is not followed: name what it leads to`;

describe.each([
  ['AppArmor', {}],
  ['BPF', { bpf: true }],
])('a rule that names something by a link that is not followed, on %s', (_enforcer, more) => {
  const host = debian({
    ...more,
    unfollowed: (path) => (path === LINK || path.startsWith(`${LINK}/`) ? LINK : undefined),
  });
  const compiled = (spec: Spec, marks = {}) =>
    compileRuleSet(ruleSet(policy('p', spec, marks)), host);

  it.each<[string, Spec]>([
    ['a path', { process: { matchPaths: [{ path: `${LINK}/bin/tool` }] } }],
    ['the link', { file: { matchPaths: [{ path: LINK }] } }],
    ['a directory', { file: { matchDirectories: [{ dir: `${LINK}/keys/`, recursive: true }] } }],
    ['a pattern', { file: { matchPatterns: [{ pattern: `${LINK}/*.key` }] } }],
    [
      'a pattern with choices',
      { file: { matchPatterns: [{ pattern: '/{srv,opt/app/current}/*.key' }] } },
    ],
    ['its owner', { file: { matchPaths: [{ path: `${LINK}/key`, ownerOnly: true }] } }],
    ['an Audit', { file: { matchPaths: [{ path: `${LINK}/key` }], action: 'Audit' } }],
    ['a source', { file: { matchPaths: [{ path: '/etc/app', fromSource: SERVER }] } }],
    [
      'the source of a capability',
      { capabilities: { matchCapabilities: [{ capability: 'net_raw', fromSource: SERVER }] } },
    ],
  ])('is not said to be in force, and is written all the same: %s', (_what, spec) => {
    const { report } = compiled(spec);
    expect(report.policies[0]?.rules).toMatchObject([{ plan: 'overruled', reason: REASON }]);
    const { general, profiles } = report.attribution;
    const entries = [general, ...Object.values(profiles)].flatMap(({ paths, cells }) => [
      ...paths,
      ...cells,
    ]);
    expect(entries).not.toEqual([]);
  });

  it('makes a list all the same', () => {
    const { report } = compiled(
      { file: { matchDirectories: [{ dir: `${LINK}/`, fromSource: SERVER }], action: 'Allow' } },
      { 'hostward.io/posture': 'block' },
    );
    expect(Object.values(report.attribution.profiles)[0]?.lists).toMatchObject({
      file: { posture: 'block' },
    });
  });

  it.each<[string, Spec]>([
    ['what it leads to', { process: { matchPaths: [{ path: '/opt/app/42/bin/tool' }] } }],
    ['a name', { process: { matchPaths: [{ execname: 'tool' }] } }],
    ['the folder around it', { file: { matchDirectories: [{ dir: '/opt/app/' }] } }],
  ])('is in force where it does not: %s', (_what, spec) => {
    expect(compiled(spec).report.policies[0]?.rules).toMatchObject([{ plan: 'enforce' }]);
  });
});
