import { describe, expect, it } from '@jest/globals';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import { allows, compile, expectParsed, parser, reports } from './fixtures/compilation.js';
import { exception, policy, profileIn } from './fixtures/rule-sets.js';
import { CATCH_ALL, sourceProfileName } from './resolve/names.js';
import { TableReader } from './bpf/read-table.js';
import { Evaluator } from './plan/verdict.js';

type Spec = Omit<HostPolicySpec, 'nodeSelector'>;

const CURL = [{ path: '/usr/bin/curl' }];
const USR = { matchDirectories: [{ dir: '/usr/', recursive: true }] };
const NMAP: Spec = { process: { matchPaths: [{ path: '/usr/bin/nmap' }] } };

const block = (spec: Spec): HostPolicy => policy('block', { ...spec, action: 'Block' });
const ofCurl = (process: Spec['process']): HostPolicy =>
  policy('of-curl', { process, action: 'Allow' });

/** What the evaluator and the table of BPF say, which must be one; to everybody, or to curl. */
function permits(policies: readonly HostPolicy[], path: string, perm: string, byCurl = false) {
  const { report, table } = compile(policies, { bpf: true });
  const profile = byCurl ? sourceProfileName('/usr/bin/curl') : CATCH_ALL;
  const { general, profiles } = report.attribution;
  const own = profiles[profile];
  const said = new Evaluator(own ? [general, own] : [general]).path(path, perm, 'owner').allowed;
  const reader = new TableReader(table?.blob ?? new Uint8Array());
  const subject = table?.subjects.indexOf(profile) ?? -1;
  expect(reader.path(path, perm, 'owner', subject).deny).toBe(!said);
  return said;
}

/** Paths of the lines by which AppArmor is told to permit mapping alone: the parser adds it to each exec besides. */
function mappedInText(policies: readonly HostPolicy[]): readonly (string | undefined)[] {
  const compilation = compile(policies);
  if (parser) expectParsed(compilation);
  const text = profileIn(compilation.texts.enforce, CATCH_ALL);
  return [...text.matchAll(/^ *priority=\d+ "([^"]*)" m,/gm)].map(([, path]) => path);
}

describe('a wide Allow of programs over a Block of one', () => {
  it.each<[string, HostPolicy, boolean]>([
    ['an exception for a directory', exception({ process: USR }), false],
    [
      'a program may start all of a directory',
      ofCurl({ matchDirectories: [{ dir: '/usr/', recursive: true, fromSource: CURL }] }),
      true,
    ],
    [
      'an exception for a pattern',
      exception({ process: { matchPatterns: [{ pattern: '/usr/**' }] } }),
      false,
    ],
  ])('lets its loader map it too: %s', (_what, allow, byCurl) => {
    const letters = (policies: readonly HostPolicy[]) =>
      ['x', 'm'].map((perm) => permits(policies, '/usr/bin/nmap', perm, byCurl));
    expect(letters([block(NMAP), allow])).toEqual([true, true]);
    expect(
      letters([block(NMAP), ofCurl({ matchPaths: [{ path: '/usr/bin/id', fromSource: CURL }] })]),
    ).toEqual([false, false]);
    const profile = byCurl ? sourceProfileName('/usr/bin/curl') : CATCH_ALL;
    if (parser)
      expect(allows(compile([block(NMAP), allow]), '/usr/bin/nmap', 'm', profile)).toBe(true);
    if (byCurl) expect(permits([block(NMAP), allow], '/usr/bin/nmap', 'm')).toBe(false);
  });

  it('does so where the Block is wider than the Allow, or only meets it, and no further', () => {
    const everywhere = block({ process: { matchPaths: [{ execname: 'nmap' }] } });
    const policies = [everywhere, exception({ process: USR })];
    expect(permits(policies, '/usr/bin/nmap', 'm')).toBe(true);
    expect(permits(policies, '/srv/nmap', 'm')).toBe(false);
    expect(mappedInText(policies)).toEqual(['/usr/{,**/}nmap']);
    const met = [
      block({ process: { matchDirectories: [{ dir: '/usr/bin/', recursive: true }] } }),
      exception({ process: { matchPatterns: [{ pattern: '/usr/**map' }] } }),
    ].map(overriding);
    expect(permits(met, '/usr/bin/nmap', 'm')).toBe(true);
    expect(permits(met, '/usr/bin/nping', 'm')).toBe(false);
  });

  it('says of the Block that nothing is left of it', () => {
    for (const bpf of [false, true])
      expect(
        reports(compile([block(NMAP), exception({ process: USR })], { bpf })).map(
          ({ plan }) => plan,
        ),
      ).toEqual(['overruled', 'enforce']);
  });

  it('opens nothing that a file rule denies', () => {
    const files = policy('files', {
      file: {
        matchDirectories: [{ dir: '/usr/lib/own/', recursive: true }],
        matchPaths: [{ path: '/usr/bin/nmap' }],
      },
    });
    const masscan = policy('two', { process: { matchPaths: [{ path: '/usr/bin/masscan' }] } });
    const policies = [block(NMAP), masscan, files, exception({ process: USR })];
    expect(permits(policies, '/usr/lib/own/x.so', 'm')).toBe(false);
    expect(permits(policies, '/usr/bin/nmap', 'm')).toBe(false);
    expect(permits(policies, '/usr/bin/masscan', 'm')).toBe(true);
    expect(mappedInText(policies)).toEqual(['/usr/bin/masscan{,.dpkg-tmp}']);
  });

  it('opens nothing that a list of files does not have', () => {
    const listed = policy(
      'listed',
      { file: { matchPaths: [{ path: '/srv/a', fromSource: CURL }] }, action: 'Allow' },
      { 'hostward.io/posture': 'block' },
    );
    const policies = [block(NMAP), listed, exception({ process: USR })];
    expect(permits(policies, '/usr/bin/nmap', 'm', true)).toBe(true);
    expect(permits(policies, '/usr/share/x', 'm', true)).toBe(false);
  });
});

function overriding(document: HostPolicy): HostPolicy {
  const annotations = {
    ...document.metadata.annotations,
    'hostward.io/override-protection': 'true',
  };
  return { ...document, metadata: { ...document.metadata, annotations } };
}
