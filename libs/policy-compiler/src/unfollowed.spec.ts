import { describe, expect, it } from '@jest/globals';
import type { HostPolicySpec } from '#policy-model';
import { compileRuleSet } from './compile.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';
import { Evaluator } from './plan/verdict.js';

type Spec = Omit<HostPolicySpec, 'nodeSelector'>;

const LINK = '/opt/app/current';
const SERVER = [{ path: `${LINK}/bin/server` }];
const REASON = `${LINK} is a link that others than root can change, and is not followed: name what it leads to`;
const OF_SOURCE = `it is not in force for the source ${LINK}/bin/server: ${REASON}`;

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
    [
      'both its path and its source',
      { file: { matchPaths: [{ path: `${LINK}/key`, fromSource: SERVER }] } },
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

  it.each<[string, Spec]>([
    ['a file', { file: { matchPaths: [{ path: '/etc/app', fromSource: SERVER }] } }],
    [
      'a capability',
      { capabilities: { matchCapabilities: [{ capability: 'net_raw', fromSource: SERVER }] } },
    ],
  ])('tells the source that is named so, of a rule on %s', (_what, spec) => {
    const { report } = compiled(spec);
    expect(report.policies[0]?.rules).toMatchObject([{ plan: 'overruled', reason: OF_SOURCE }]);
    expect(Object.keys(report.attribution.profiles)).toHaveLength(1);
  });

  it('tells which of several sources, and what would show the others in force', () => {
    const sources = [...SERVER, { path: '/usr/bin/app' }];
    const { report } = compiled({
      file: { matchPaths: [{ path: '/etc/app', fromSource: sources }] },
    });
    const reason = `${OF_SOURCE}; a rule of their own would show whether it is for its other sources`;
    expect(report.policies[0]?.rules).toMatchObject([{ plan: 'overruled', reason }]);
    expect(Object.keys(report.attribution.profiles)).toHaveLength(2);
  });

  it('tells how many sources it is that it does not name', () => {
    const sources = [...SERVER, { path: `${LINK}/bin/a` }, { path: `${LINK}/bin/b` }];
    const { report } = compiled({
      file: { matchPaths: [{ path: '/etc/app', fromSource: sources }] },
    });
    const reason = `it is not in force for the source ${LINK}/bin/server, and 2 more: ${REASON}`;
    expect(report.policies[0]?.rules).toMatchObject([{ plan: 'overruled', reason }]);
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

describe.each([
  ['AppArmor', {}],
  ['BPF', { bpf: true }],
])('a rule on names that the kernel does not judge, on %s', (_enforcer, more) => {
  const links: Readonly<Record<string, string>> = {
    '/etc/mtab': '/proc/self/mounts',
    '/usr/bin/vi': '/usr/bin/vim.basic',
    '/bin/vi': '/usr/bin/vim.basic',
    '/bin/curl': '/usr/bin/curl',
    '/usr/bin/odd': '/opt/o"d\nd',
    '/usr/bin/reboot': '/usr/bin/systemctl',
  };
  const host = debian({
    ...more,
    resolve: (path) => (path in links ? [path, links[path] ?? ''] : [path]),
  });
  const ruleOf = (spec: Spec) =>
    compileRuleSet(ruleSet(policy('p', spec)), host).report.policies[0]?.rules[0];

  it.each<[string, Spec, string]>([
    ['a path', { file: { matchPaths: [{ path: '/proc/self/mem' }] } }, '/proc/*/mem'],
    ['a link to one', { file: { matchPaths: [{ path: '/etc/mtab' }] } }, '/proc/*/mounts'],
    [
      'a table of sockets',
      { file: { matchPaths: [{ path: '/proc/net/tcp' }] } },
      '/proc/*/net/tcp',
    ],
    [
      'a directory',
      { file: { matchDirectories: [{ dir: '/proc/self/fd/', recursive: true }] } },
      '/proc/*/fd/**',
    ],
    ['a pattern', { file: { matchPatterns: [{ pattern: '/dev/fd/*' }] } }, '/proc/*/fd'],
  ])('says what to name in place of a file of each process: %s', (_what, spec, all) => {
    expect(ruleOf(spec)).toMatchObject({
      plan: 'overruled',
      reason: expect.stringMatching(
        / is another file to each process: name them all by matchPatterns, /,
      ),
    });
    expect(ruleOf(spec)?.reason?.endsWith(`matchPatterns, ${all}`)).toBe(true);
  });

  it.each<[string, Spec['process']]>([
    ['vi', { matchPaths: [{ execname: 'vi' }] }],
    ['/**/vi', { matchPatterns: [{ pattern: '/**/vi' }] }],
    ['/*bin/vi', { matchPatterns: [{ pattern: '/*bin/vi' }] }],
    ['/usr/*/vi', { matchPatterns: [{ pattern: '/usr/*/vi' }] }],
  ])('binds the program that a name is a link to, and says so: %s', (name, process) => {
    expect(ruleOf({ process })).toMatchObject({
      plan: 'enforce',
      reason: `${name} is a link to /usr/bin/vim.basic: the rule binds that program under every name`,
    });
    const { attribution } = compileRuleSet(ruleSet(policy('p', { process })), host).report;
    expect(attribution.general.paths.map(({ glob }) => glob)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^\/usr\/bin\/vim\.basic/)]),
    );
  });

  it('keeps the control path from a name that is a link into it', () => {
    expect(ruleOf({ process: { matchPaths: [{ execname: 'reboot' }] } })).toMatchObject({
      plan: 'refused',
      reason: expect.stringContaining('/usr/bin/systemctl'),
    });
  });

  it('weighs what a pattern names by a link as the pattern', () => {
    const pattern = { matchPatterns: [{ pattern: '/usr/*/vi' }] };
    const policies = [
      policy('block', { process: pattern }),
      policy('allow', {
        process: { matchDirectories: [{ dir: '/usr/bin/', recursive: true }], action: 'Allow' },
      }),
    ];
    const { general } = compileRuleSet(ruleSet(...policies), host).report.attribution;
    const { allowed } = new Evaluator([general]).path('/usr/bin/vim.basic', 'x', 'other');
    expect(allowed).toBe(true);
  });

  it('keeps from rules what the owner of the host refuses to have touched, by a link too', () => {
    const refusing = { ...host, veto: [{ paths: ['/usr/bin/vim.basic'] }] };
    for (const match of [
      { matchPaths: [{ execname: 'vi' }] },
      { matchPatterns: [{ pattern: '/usr/*/vi' }] },
    ]) {
      const { report } = compileRuleSet(ruleSet(policy('p', { process: match })), refusing);
      expect(report.policies[0]?.rules).toMatchObject([{ plan: 'refused' }]);
    }
  });

  it.each(['odd', '..', '.'])(
    'goes on where a link cannot be written, or a name is none: %s',
    (execname) => {
      const { report } = compileRuleSet(
        ruleSet(
          policy('p', { process: { matchPaths: [{ execname }] } }),
          policy('q', { process: { matchPaths: [{ path: '/opt/tool' }] } }),
        ),
        host,
      );
      expect(report.policies.find(({ policy: name }) => name === 'q')?.rules).toMatchObject([
        { plan: 'enforce' },
      ]);
      expect(report.policies[0]?.rules[0]?.reason ?? '').not.toContain('is a link');
    },
  );

  it('leaves files to their own names', () => {
    const file = { matchPatterns: [{ pattern: '/**/vi' }] };
    const { general } = compileRuleSet(ruleSet(policy('p', { file })), host).report.attribution;
    expect(general.paths.some(({ glob }) => glob.includes('vim.basic'))).toBe(false);
  });

  it('binds what a pattern names by a folder that is a link', () => {
    const process = { matchPatterns: [{ pattern: '/?in/curl' }] };
    const { report } = compileRuleSet(ruleSet(policy('p', { process })), host);
    expect(report.policies[0]?.rules).toMatchObject([{ plan: 'enforce' }]);
    const globs = report.attribution.general.paths.map(({ glob }) => glob);
    expect(globs.filter((glob) => glob.startsWith('/usr/bin/curl'))).toHaveLength(1);
  });
});
