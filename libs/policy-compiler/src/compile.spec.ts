import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { AppArmorParser } from '#testing';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import { attribute } from './attribute.js';
import { compileRuleSet } from './compile.js';
import { debian, policy, profileIn, ruleSet } from './fixtures.js';
import { EXEMPT_ATTACHMENTS } from './leaving.js';
import { sourceProfileName } from './names.js';
import { queryPath } from './query-names.js';
import { TableReader } from './table/read-table.js';
import type { Compilation, HostCapabilities, RuleReport } from './types.js';

const parser = AppArmorParser.find();
const withParser = parser === undefined ? it.skip : it;
const MINER = policy('miner', {
  process: { matchPaths: [{ path: '/usr/bin/xmrig' }], action: 'Block' },
});

function compile(
  policies: readonly HostPolicy[],
  host: Partial<HostCapabilities> = {},
): Compilation {
  return compileRuleSet(ruleSet(...policies), debian(host));
}

function reports(compilation: Compilation): readonly RuleReport[] {
  return compilation.report.policies.flatMap(({ rules }) => rules);
}

function expectParsed({ texts }: Compilation): void {
  for (const text of [texts.enforce, texts.audit, texts.open]) {
    const run = parser?.compile(text);
    expect({ ok: run?.ok, stderr: run?.stderr }).toEqual({ ok: true, stderr: '' });
  }
}

/** What the real parser's automaton says in the enforced profile. */
function allows(
  compilation: Compilation,
  path: string,
  perm: string,
  profile = 'hostward',
  who: 'owner' | 'other' = 'owner',
  variant: 'enforce' | 'audit' | 'open' = 'enforce',
): boolean | undefined {
  return parser?.automaton(profileIn(compilation.texts[variant], profile)).allows(path, perm, who);
}

describe('profiles of the package', () => {
  it.each(Object.entries(EXEMPT_ATTACHMENTS))(
    '%s is attached where the compiler thinks',
    (name, glob) => {
      const file = new URL(`../../sensor/native/apparmor/${name}`, import.meta.url);
      expect(readFileSync(file, 'utf8')).toContain(`profile ${name} ${glob} flags=(`);
    },
  );
});

describe('the catch-all profile', () => {
  it('is there without any rule, so that a host that lost its policies stays confined', () => {
    const { profiles, texts } = compile([]);
    expect(profiles).toEqual([{ name: 'hostward', attach: '/**' }]);
    expect(texts.enforce).toContain(
      'profile hostward /** flags=(attach_disconnected,mediate_deleted) {',
    );
    expect(texts.enforce).toContain('/** pix -> &hostward,');
  });

  withParser('lets everything be done and parses in its three variants', () => {
    const compilation = compile([]);
    expectParsed(compilation);
    for (const perm of 'rwlkmx') expect(allows(compilation, '/usr/bin/ls', perm)).toBe(true);
    expect(allows(compilation, '/', 'r')).toBe(true);
  });

  it('gives no profile and says why of each rule where the host has no AppArmor', () => {
    const compilation = compile([MINER], { apparmor: undefined, lsm: ['capability', 'selinux'] });
    expect(compilation.profiles).toEqual([]);
    expect(reports(compilation)).toEqual([
      {
        id: 'process/matchPaths/0',
        plan: 'unsupported',
        reason: 'this host has no AppArmor (active: capability, selinux)',
        class: 'process',
      },
    ]);
  });

  it('is the same text for the same rules in any order of arrival', () => {
    const other = policy('tmp', {
      process: { matchDirectories: [{ dir: '/tmp/', recursive: true }] },
    });
    expect(compile([MINER, other]).texts).toEqual(compile([other, MINER]).texts);
  });
});

describe('a Block', () => {
  it("is left out and refused where the host's owner vetoes its policy, also on a host that enforces nothing", () => {
    const set = ruleSet(
      policy('mine', { process: { matchPaths: [{ path: '/usr/bin/nmap' }] } }),
      policy('not-here', { process: { matchPaths: [{ path: '/usr/bin/sleep' }] } }),
    );
    const veto = ['not-here'];
    const { texts, report } = compileRuleSet(set, debian({ veto }));
    expect(texts.enforce).toContain('/usr/bin/nmap');
    expect(texts.enforce).not.toContain('/usr/bin/sleep');
    const plans = [report, compileRuleSet(set, debian({ veto, apparmor: undefined })).report].map(
      ({ policies }) => policies.flatMap(({ rules }) => rules.map(({ plan }) => plan)),
    );
    expect(plans).toEqual([
      ['enforce', 'refused'],
      ['unsupported', 'refused'],
    ]);
    expect(report.policies[1]?.rules[0]?.reason).toContain('veto');
  });

  withParser.each<[string, HostPolicySpec['process'], string, boolean]>([
    ['one program', { matchPaths: [{ path: '/bin/sleep' }] }, '/usr/bin/sleep', false],
    ['a name', { matchPaths: [{ execname: 'xmrig' }] }, '/opt/a/xmrig', false],
    ['a directory', { matchDirectories: [{ dir: '/tmp/', recursive: true }] }, '/tmp/x', false],
    ['a pattern for a name', { matchPatterns: [{ pattern: '/**/nmap' }] }, '/opt/nmap', false],
    ['a library', { matchPaths: [{ path: '/usr/lib/libx.so.1' }] }, '/usr/lib/libx.so.1', true],
    [
      'a directory with libraries',
      { matchDirectories: [{ dir: '/opt/x/', recursive: true }] },
      '/opt/x/libx.so',
      true,
    ],
    [
      'a pattern that libraries match',
      { matchPatterns: [{ pattern: '/usr/**/x*' }] },
      '/usr/lib/x.so',
      true,
    ],
  ])('of %s keeps the loader from mapping it, but for libraries', (_, process, path, expected) => {
    const compilation = compile([policy('one', { process })]);
    expectParsed(compilation);
    expect(allows(compilation, path, 'x')).toBe(false);
    expect(allows(compilation, path, 'm')).toBe(expected);
    expect(compilation.texts.audit).not.toMatch(/" m,/);
  });

  withParser('of a program holds under both names of merged /usr', () => {
    const compilation = compile([
      policy('sleep', { process: { matchPaths: [{ path: '/bin/sleep' }] } }),
    ]);
    expectParsed(compilation);
    expect(allows(compilation, '/usr/bin/sleep', 'x')).toBe(false);
    expect(allows(compilation, '/usr/bin/sleep', 'r')).toBe(true);
    expect(allows(compilation, '/usr/bin/sleepy', 'x')).toBe(true);
  });

  withParser(
    'of a pattern holds under both names of merged /usr, braces before its folder too',
    () => {
      const matchPatterns = [{ pattern: '/{bin,sbin}/nc' }];
      const compilation = compile([policy('nc', { process: { matchPatterns } })]);
      const { table } = compile([policy('nc', { process: { matchPatterns } })], { bpf: true });
      const reader = new TableReader(table?.blob ?? new Uint8Array());
      expectParsed(compilation);
      for (const [path, denied] of [
        ['/usr/bin/nc', true],
        ['/usr/sbin/nc', true],
        ['/usr/bin/ncat', false],
        ['/usr/lib/nc', false],
      ] as const) {
        expect(allows(compilation, path, 'x')).toBe(!denied);
        expect(reader.path(path, 'x', 'owner').deny).toBe(denied);
      }
    },
  );

  withParser('of a program lets dpkg link its backup, which needs equal permissions', () => {
    const compilation = compile([MINER]);
    expect(allows(compilation, '/usr/bin/xmrig.dpkg-tmp', 'x')).toBe(false);
    expect(allows(compilation, '/usr/bin/xmrig.dpkg-tmp', 'l')).toBe(true);
  });

  withParser('by execname holds in every directory', () => {
    const compilation = compile([
      policy('nmap', { process: { matchPaths: [{ execname: 'nmap' }] } }),
    ]);
    expectParsed(compilation);
    for (const path of ['/nmap', '/usr/bin/nmap', '/home/a/b/nmap'])
      expect(allows(compilation, path, 'x')).toBe(false);
    expect(allows(compilation, '/usr/bin/zenmap', 'x')).toBe(true);
  });

  withParser('of a directory binds its children, and with recursive all below', () => {
    const compilation = compile([
      policy('dirs', {
        file: { matchDirectories: [{ dir: '/srv/flat/' }, { dir: '/srv/deep/', recursive: true }] },
      }),
    ]);
    expect(allows(compilation, '/srv/flat/a', 'r')).toBe(false);
    expect(allows(compilation, '/srv/flat/a/b', 'r')).toBe(true);
    expect(allows(compilation, '/srv/deep/a/b', 'w')).toBe(false);
    expect(allows(compilation, '/srv/deep/', 'r')).toBe(false);
  });

  withParser('with readOnly denies writing and linking only', () => {
    const compilation = compile([
      policy('ro', { file: { matchPaths: [{ path: '/etc/motd', readOnly: true }] } }),
    ]);
    const denied = [...'rwlkm'].filter((perm) => !allows(compilation, '/etc/motd', perm));
    expect(denied).toEqual(['w', 'l']);
  });

  withParser('with ownerOnly denies all but the owner', () => {
    const compilation = compile([
      policy('own', { file: { matchPaths: [{ path: '/srv/key', ownerOnly: true }] } }),
    ]);
    expectParsed(compilation);
    expect(allows(compilation, '/srv/key', 'r', 'hostward', 'owner')).toBe(true);
    expect(allows(compilation, '/srv/key', 'r', 'hostward', 'other')).toBe(false);
  });

  withParser('with ownerOnly and readOnly leaves reading to the owner', () => {
    const compilation = compile([
      policy('own', {
        file: { matchPaths: [{ path: '/srv/key', ownerOnly: true, readOnly: true }] },
      }),
    ]);
    expect(allows(compilation, '/srv/key', 'r', 'hostward', 'owner')).toBe(true);
    expect(allows(compilation, '/srv/key', 'w', 'hostward', 'owner')).toBe(false);
    expect(allows(compilation, '/srv/key', 'r', 'hostward', 'other')).toBe(false);
  });

  withParser.each([
    '/srv/a b',
    '/srv/a"b',
    '/srv/a[b]',
    '/srv/a{b,c}',
    '/srv/a\\b',
    '/srv/a*b',
    '/srv/a?b',
    '/srv/a,b',
    '/srv/a#b',
    '/srv/@{HOME}',
    '/srv/é ü',
    "/srv/a'b;c$d",
    '/srv/a^b',
  ])('holds for exactly the path %s', (path: string) => {
    const compilation = compile([policy('odd', { file: { matchPaths: [{ path }] } })]);
    expectParsed(compilation);
    expect(allows(compilation, path, 'r')).toBe(false);
    expect(allows(compilation, path.replace(/[*?]/, 'x'), 'r')).toBe(
      path.replace(/[*?]/, 'x') !== path,
    );
  });

  it.each(['/srv/a\nb', '/srv/\0', `/${'x'.repeat(5000)}`])(
    'of a path that cannot be written fails by itself and names the reason (case %#)',
    (path) => {
      const compilation = compile([
        policy('bad', { file: { matchPaths: [{ path }, { path: '/srv/good' }] } }),
      ]);
      const [bad, good] = reports(compilation);
      expect(bad?.plan).toBe('failed');
      expect(bad?.reason).toMatch(/control character|longer/);
      expect(good?.plan).toBe('enforce');
      expect(compilation.texts.enforce).toContain('"/srv/good"');
    },
  );

  it('cannot smuggle a rule into the profile by quotes', () => {
    const path = '/srv/x" rwix, } profile evil /** { file,';
    const { texts } = compile([policy('evil', { file: { matchPaths: [{ path }] } })]);
    expect(texts.enforce.match(/^profile /gm)).toHaveLength(1);
  });

  it('of a link to a program of another name says which program it binds', () => {
    const resolve = (path: string): readonly string[] =>
      path === '/usr/sbin/x-tool' ? [path, '/usr/bin/toolbox'] : [path];
    const compilation = compile(
      [policy('link', { process: { matchPaths: [{ path: '/usr/sbin/x-tool' }] } })],
      { resolve },
    );
    expect(reports(compilation)[0]?.reason).toContain('is a link to /usr/bin/toolbox');
  });

  it.each([
    ['AppArmor', false, 'connecting to it only by some kernels'],
    ['BPF', true, 'and connecting to it is not'],
  ])('of a socket says that who connects is not judged, on %s', (_enforcer, bpf, words) => {
    const sockets = (path: string) =>
      compileRuleSet(ruleSet(policy('p', { file: { matchPaths: [{ path }] } })), {
        ...debian({ bpf }),
        isSocket: (asked) => asked === '/run/docker.sock',
      }).report.policies[0]?.rules[0];
    expect(sockets('/run/docker.sock')).toMatchObject({
      plan: 'enforce',
      reason: `/run/docker.sock is a socket: its removal and replacement are judged, ${words}`,
    });
    expect(sockets('/run/docker.pid')).not.toHaveProperty('reason');
  });
});

describe('an Audit', () => {
  withParser('logs and permits', () => {
    const compilation = compile([
      policy('watch', { file: { matchPaths: [{ path: '/etc/passwd' }], action: 'Audit' } }),
    ]);
    expectParsed(compilation);
    const automaton = parser?.automaton(profileIn(compilation.texts.enforce, 'hostward'));
    expect(automaton?.allows('/etc/passwd', 'r', 'other')).toBe(true);
    expect(automaton?.audits('/etc/passwd', 'r', 'other')).toBe(true);
    expect(automaton?.audits('/etc/group', 'r', 'other')).toBe(false);
    expect(reports(compilation)[0]?.plan).toBe('audit');
  });

  withParser('logs a program start', () => {
    const compilation = compile([
      policy('watch', { process: { matchPaths: [{ path: '/usr/bin/su' }], action: 'Audit' } }),
    ]);
    expectParsed(compilation);
    const automaton = parser?.automaton(profileIn(compilation.texts.enforce, 'hostward'));
    expect(automaton?.audits('/usr/bin/su', 'x', 'owner')).toBe(true);
    expect(automaton?.allows('/usr/bin/su', 'x', 'owner')).toBe(true);
  });
});

describe('the variants', () => {
  withParser('audit permits and logs what would be denied; open permits and logs nothing', () => {
    const compilation = compile([
      MINER,
      policy('net', { network: { matchProtocols: [{ protocol: 'raw' }] } }),
    ]);
    expectParsed(compilation);
    expect(allows(compilation, '/usr/bin/xmrig', 'x', 'hostward', 'owner', 'audit')).toBe(true);
    expect(compilation.texts.audit).not.toContain('deny');
    expect(compilation.texts.audit).toContain('audit network inet raw,');
    expect(compilation.texts.open).not.toMatch(/deny|audit /);
  });

  it('contain the same profiles', () => {
    const { texts } = compile(
      [
        policy('src', {
          file: { matchPaths: [{ path: '/etc/x', fromSource: [{ path: '/usr/bin/cat' }] }] },
        }),
      ],
      {
        loadedNames: [sourceProfileName('/usr/bin/old'), 'docker-default'],
      },
    );
    const names = (text: string): readonly string[] =>
      [...text.matchAll(/^profile (\S+)/gm)].map(([, name]) => name ?? '');
    expect(names(texts.audit)).toEqual(names(texts.enforce));
    expect(names(texts.open)).toEqual(names(texts.enforce));
    expect(names(texts.enforce)).toContain(sourceProfileName('/usr/bin/old'));
    expect(names(texts.enforce)).not.toContain('docker-default');
  });
});

describe('rules limited to sources', () => {
  const scoped = policy('cat', {
    file: { matchPaths: [{ path: '/proc/cpuinfo', fromSource: [{ path: '/bin/cat' }] }] },
  });
  const cat = sourceProfileName('/usr/bin/cat');

  withParser('bind that program only, in a profile that is attached to it', () => {
    const compilation = compile([scoped, MINER]);
    expectParsed(compilation);
    expect(compilation.profiles).toContainEqual({ name: cat, attach: '/usr/bin/cat' });
    expect(allows(compilation, '/proc/cpuinfo', 'r', cat)).toBe(false);
    expect(allows(compilation, '/proc/cpuinfo', 'r', 'hostward')).toBe(true);
  });

  withParser('carry the general rules too, for a program that unconfined PID 1 starts', () => {
    expect(allows(compile([scoped, MINER]), '/usr/bin/xmrig', 'x', cat)).toBe(false);
  });

  it('need no exec rule where they only take away: the profile is stacked, which NoNewPrivileges permits', () => {
    const compilation = compile([scoped]);
    expect(compilation.texts.enforce).not.toContain(' px,');
    expect(reports(compilation)[0]?.plan).toBe('enforce');
  });

  const dpkg = [
    policy('bins', {
      file: { matchDirectories: [{ dir: '/usr/bin/', recursive: true, readOnly: true }] },
    }),
    policy('dpkg', {
      file: {
        matchDirectories: [
          {
            dir: '/usr/bin/',
            recursive: true,
            fromSource: [{ path: '/usr/bin/dpkg' }],
            action: 'Allow',
          },
        ],
      },
    }),
  ];

  withParser(
    'may undo a general Block for their program, which then has a profile that stands alone',
    () => {
      const compilation = compile(dpkg);
      expectParsed(compilation);
      expect(allows(compilation, '/usr/bin/ls', 'w')).toBe(false);
      expect(allows(compilation, '/usr/bin/ls', 'w', sourceProfileName('/usr/bin/dpkg'))).toBe(
        true,
      );
      expect(compilation.texts.enforce).toContain('"/usr/bin/dpkg" px,');
      expect(compilation.texts.audit).not.toContain(' px,');
    },
  );

  withParser.each<[string, HostPolicySpec['process'], string]>([
    [
      'an audited list that lacks it',
      { matchPaths: [{ path: '/usr/bin/id', action: 'Allow' }] },
      'owner other',
    ],
    ['a list that has it', { matchPaths: [{ path: '/usr/bin/dpkg', action: 'Allow' }] }, ''],
    ['an Audit', { matchPaths: [{ path: '/usr/bin/dpkg', action: 'Audit' }] }, 'owner other'],
    [
      'an Audit of all but its owner',
      { matchPaths: [{ path: '/usr/bin/dpkg', action: 'Audit', ownerOnly: true }] },
      'other',
    ],
    [
      'an Audit beside an Allow in a Block',
      {
        matchPaths: [
          { path: '/usr/bin/dpkg', action: 'Audit' },
          { path: '/usr/bin/dpkg', action: 'Allow' },
        ],
        matchDirectories: [
          { dir: '/usr/bin/', action: 'Block', fromSource: [{ path: '/usr/bin/x' }] },
        ],
      },
      'owner other',
    ],
  ])('that stand alone are told of when they are started, under %s', (_, process, audited) => {
    const compilation = compile([...dpkg, policy('watch', { process })]);
    expectParsed(compilation);
    const automaton = parser?.automaton(profileIn(compilation.texts.enforce, 'hostward'));
    expect(compilation.texts.enforce).toContain(' px,');
    const told = (['owner', 'other'] as const).filter((who) =>
      automaton?.audits('/usr/bin/dpkg', 'x', who),
    );
    expect(told.join(' ')).toBe(audited);
    expect(automaton?.allows('/usr/bin/dpkg', 'x', 'owner')).toBe(true);
    expect(automaton?.allows('/usr/bin/dpkg', 'x', 'other')).toBe(true);
  });

  withParser.each([
    ['has them', { path: '/usr/bin/dpkg' }],
    ['is their own', { path: '/usr/bin/id', fromSource: [{ path: '/usr/bin/dpkg' }] }],
  ])('that stand alone are started under a list that blocks and %s', (_, listed) => {
    const annotations = {
      'hostward.io/posture': 'block',
      'hostward.io/override-protection': 'true',
    };
    const process = { matchPaths: [listed], action: 'Allow' } as const;
    const compilation = compile([...dpkg, policy('list', { process }, annotations)]);
    expectParsed(compilation);
    const own = sourceProfileName('/usr/bin/dpkg');
    expect(allows(compilation, '/usr/bin/dpkg', 'x')).toBe(true);
    expect(allows(compilation, '/usr/bin/dpkg', 'x', own)).toBe(true);
    expect(allows(compilation, '/usr/bin/true', 'x', own)).toBe(false);
  });

  withParser('may undo a general Block without priorities where nothing of it is left', () => {
    const compilation = compile(dpkg, { apparmor: { parser: '3.0.8', priority: false } });
    expect(compilation.texts.enforce).not.toContain('priority=');
    expect(allows(compilation, '/usr/bin/ls', 'w', sourceProfileName('/usr/bin/dpkg'))).toBe(true);
  });

  it.each([
    '/usr/lib/systemd/systemd',
    '/usr/lib/systemd/systemd-executor',
    '/usr/bin/dockerd',
    '/usr/sbin/runc',
    '/usr/lib/hostward/hostward-sensor',
  ])('are unsupported for %s, which runs outside the profiles', (path) => {
    const compilation = compile([
      policy('exempt', {
        file: { matchPaths: [{ path: '/srv/x', fromSource: [{ path }] }] },
      }),
    ]);
    expect(reports(compilation)[0]).toMatchObject({
      plan: 'unsupported',
      reason: expect.stringContaining('outside the profiles'),
    });
    expect(compilation.profiles).toEqual([{ name: 'hostward', attach: '/**' }]);
  });

  withParser('have no limit of twelve programs, and names that never meet', () => {
    const sources = Array.from({ length: 60 }, (_, at) => ({ path: `/opt/app-${at}/bin` }));
    const twins = [
      { path: '/opt/foo-bar' },
      { path: '/opt/foobar' },
      { path: '/opt/foo bar' },
      { path: '/opt/"q"[x]' },
    ];
    const compilation = compile([
      policy('many', {
        process: { matchPaths: [{ path: '/usr/bin/id', fromSource: [...sources, ...twins] }] },
      }),
      policy('undo', {
        process: { matchPaths: [{ path: '/usr/bin/xmrig', fromSource: sources, action: 'Allow' }] },
      }),
      MINER,
    ]);
    expectParsed(compilation);
    expect(new Set(compilation.profiles.map(({ name }) => name)).size).toBe(65);
    expect(compilation.texts.enforce.match(/px,/g)?.length).toBeGreaterThan(60);
    expect(reports(compilation).map(({ plan }) => plan)).toEqual(['enforce', 'enforce', 'audit']);
  });

  withParser(
    'enter a named stack where a profile that is not ours is attached to the program',
    () => {
      const compilation = compile([scoped], {
        attached: (program) => (program === '/usr/bin/cat' ? 'reader' : undefined),
      });
      expectParsed(compilation);
      expect(compilation.profiles).toContainEqual({ name: cat });
      expect(compilation.texts.enforce).toContain(`"/usr/bin/cat" pix -> &hostward//&${cat},`);
    },
  );

  it('name the programs beyond what AppArmor can name', () => {
    const paths = Array.from({ length: 13 }, (_, at) => `/opt/own-${String(at).padStart(2, '0')}`);
    const compilation = compile(
      paths.map((path, at) =>
        policy(`p${String(at).padStart(2, '0')}`, {
          process: { matchPaths: [{ path: '/usr/bin/id', fromSource: [{ path }] }] },
        }),
      ),
      { attached: (program) => (paths.includes(program) ? 'own' : undefined) },
    );
    const beyond = reports(compilation).filter(({ plan }) => plan === 'unsupported');
    expect(beyond).toHaveLength(4);
    expect(beyond[0]?.reason).toContain('/opt/own-09');
  });
});

describe('precedence', () => {
  withParser(
    'lets an Allow of a subdirectory hold inside a blocked directory, and the reverse',
    () => {
      const compilation = compile([
        policy('a', {
          file: {
            matchDirectories: [
              { dir: '/srv/', recursive: true, action: 'Block' },
              { dir: '/srv/ok/', recursive: true, action: 'Allow' },
            ],
          },
        }),
        policy('b', { file: { matchPaths: [{ path: '/srv/ok/secret', action: 'Block' }] } }),
      ]);
      expectParsed(compilation);
      expect(allows(compilation, '/srv/x', 'r')).toBe(false);
      expect(allows(compilation, '/srv/ok/x', 'w')).toBe(true);
      expect(allows(compilation, '/srv/ok/secret', 'r')).toBe(false);
    },
  );

  it('says unsupported of such an Allow where the parser has no priorities, and the Block holds', () => {
    const compilation = compile(
      [
        policy('a', {
          file: {
            matchDirectories: [
              { dir: '/srv/', recursive: true, action: 'Block' },
              { dir: '/srv/ok/', action: 'Allow' },
            ],
          },
        }),
      ],
      { apparmor: { parser: '4.0.1', priority: false } },
    );
    expect(reports(compilation).map(({ plan }) => plan)).toEqual(['enforce', 'unsupported']);
    expect(compilation.texts.enforce).not.toContain('priority');
  });

  withParser(
    'puts tiers first: a baseline Block beats a normal Allow, an exception beats both',
    () => {
      const block = policy(
        'base',
        { process: { matchDirectories: [{ dir: '/opt/', recursive: true }] } },
        { 'hostward.io/tier': 'baseline' },
      );
      const allow = policy('normal', {
        process: { matchPaths: [{ path: '/opt/tool' }], action: 'Allow' },
      });
      const exception = policy(
        'x',
        { process: { matchPaths: [{ path: '/opt/other' }], action: 'Allow' } },
        {
          'hostward.io/tier': 'exception',
          'hostward.io/until': '2030-01-01T00:00:00Z',
        },
      );
      const compilation = compile([block, allow, exception]);
      expectParsed(compilation);
      expect(allows(compilation, '/opt/tool', 'x')).toBe(false);
      expect(allows(compilation, '/opt/other', 'x')).toBe(true);
      const later = compile([block, allow, exception], {
        nowMs: Date.parse('2031-01-01T00:00:00Z'),
      });
      expect(allows(later, '/opt/other', 'x')).toBe(false);
      expect(reports(later).at(-1)).toMatchObject({
        plan: 'unsupported',
        reason: 'the exception has ended',
      });
    },
  );

  withParser('lets Block win between equals, whatever the names of the policies', () => {
    const allow = (name: string): HostPolicy =>
      policy(name, { process: { matchPaths: [{ path: '/opt/t' }], action: 'Allow' } });
    const block = (name: string): HostPolicy =>
      policy(name, { process: { matchPaths: [{ path: '/opt/t' }], action: 'Block' } });
    expect(allows(compile([allow('a'), block('b')]), '/opt/t', 'x')).toBe(false);
    expect(allows(compile([block('a'), allow('b')]), '/opt/t', 'x')).toBe(false);
  });
});

describe('allow-lists', () => {
  const nginx = (posture?: string): HostPolicy =>
    policy(
      'zero',
      {
        process: {
          matchPaths: ['/usr/sbin/nginx', '/bin/bash'].map((path) => ({
            path,
            fromSource: [{ path: '/usr/sbin/nginx' }],
          })),
          action: 'Allow',
        },
      },
      posture === undefined ? {} : { 'hostward.io/posture': posture },
    );
  const profile = sourceProfileName('/usr/sbin/nginx');

  withParser('under posture audit log what is not listed and deny nothing', () => {
    const compilation = compile([nginx()]);
    expectParsed(compilation);
    const automaton = parser?.automaton(profileIn(compilation.texts.enforce, profile));
    expect(automaton?.allows('/usr/bin/id', 'x', 'owner')).toBe(true);
    expect(automaton?.audits('/usr/bin/id', 'x', 'owner')).toBe(true);
    expect(automaton?.audits('/usr/bin/bash', 'x', 'owner')).toBe(false);
    expect(reports(compilation).map(({ plan }) => plan)).toEqual(['audit', 'audit']);
  });

  withParser('under posture block deny what is not listed, and stay stacked', () => {
    const compilation = compile([nginx('block')]);
    expectParsed(compilation);
    expect(allows(compilation, '/usr/bin/id', 'x', profile)).toBe(false);
    expect(allows(compilation, '/usr/bin/bash', 'x', profile)).toBe(true);
    expect(allows(compilation, '/usr/sbin/nginx', 'x', profile)).toBe(true);
    expect(allows(compilation, '/usr/bin/id', 'x')).toBe(true);
    expect(compilation.texts.enforce).not.toContain(' px,');
    expect(allows(compilation, '/usr/bin/id', 'x', profile, 'owner', 'audit')).toBe(true);
  });

  const files = policy(
    'files',
    {
      file: {
        matchDirectories: [
          { dir: '/srv/www/', recursive: true, fromSource: [{ path: '/usr/sbin/nginx' }] },
        ],
        action: 'Allow',
      },
    },
    { 'hostward.io/posture': 'block' },
  );

  /** What the table for BPF says of what nginx does, and which rule a denial of it is told to be of. */
  function onBpf(...policies: readonly HostPolicy[]) {
    const compilation = compile(policies, { bpf: true });
    const reader = new TableReader(compilation.table?.blob ?? new Uint8Array());
    const subject = reader.subjectOf('/usr/sbin/nginx');
    return {
      plans: reports(compilation).map(({ plan }) => plan),
      allows: (path: string, perm: string) => !reader.path(path, perm, 'owner', subject).deny,
      cause: (name: string, denied: string) =>
        attribute(compilation.report.attribution, { profile, name, denied })?.rule,
    };
  }

  withParser('for files keep loader, libraries and the program itself readable', () => {
    const compilation = compile([files]);
    expectParsed(compilation);
    expect(allows(compilation, '/srv/www/a/b', 'r', profile)).toBe(true);
    expect(allows(compilation, '/srv/other', 'r', profile)).toBe(false);
    expect(allows(compilation, '/usr/lib/x86_64-linux-gnu/libc.so.6', 'm', profile)).toBe(true);
    expect(allows(compilation, '/usr/sbin/nginx', 'm', profile)).toBe(true);
    expect(allows(compilation, '/usr/bin/id', 'x', profile)).toBe(true);
  });

  it.each<readonly [path: string, perms: string]>([
    ['/usr/sbin/nginx', 'rm'],
    ['/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', 'rm'],
    ['/usr/lib/x86_64-linux-gnu/libc.so.6', 'rm'],
    ['/usr/lib/locale/locale-archive', 'r'],
    ['/etc/ld.so.cache', 'r'],
    ['/dev/null', 'rw'],
    ['/proc/self/maps', 'r'],
  ])('for files let a program run on BPF too: %s %s', (path, perms) => {
    const { allows: may, cause } = onBpf(files);
    for (const perm of perms)
      expect([may(path, perm), cause(path, perm)]).toEqual([true, undefined]);
    expect(may(path, 'l')).toBe(false);
    expect(cause(path, 'l')).toBe('file: not listed by files file/matchDirectories/0');
  });

  it('on BPF deny what neither the list names nor a program needs, and let the program start itself', () => {
    expect(onBpf(files).allows('/srv/other', 'r')).toBe(false);
    expect(onBpf(files).allows('/srv/www/a/b', 'w')).toBe(true);
    const list = onBpf(
      policy(
        'starts',
        {
          process: {
            matchPaths: [{ path: '/bin/bash', fromSource: [{ path: '/usr/sbin/nginx' }] }],
            action: 'Allow',
          },
        },
        { 'hostward.io/posture': 'block' },
      ),
    );
    const started = ['/usr/sbin/nginx', '/usr/bin/bash', '/usr/bin/id'];
    expect(started.map((path) => list.allows(path, 'x'))).toEqual([true, true, false]);
  });

  withParser('for files leave every Block stronger than what a program needs, on both', () => {
    const block = policy('block', {
      file: {
        matchPatterns: [{ pattern: '/usr/lib/**/plugin.so' }],
        matchDirectories: [{ dir: '/usr/share/zoneinfo/', recursive: true }],
      },
    });
    const paths = ['/usr/lib/nginx/plugin.so', '/usr/share/zoneinfo/UTC', '/usr/lib/nginx/a.so'];
    const bpf = onBpf(files, block);
    expect(bpf.plans).toEqual(['enforce', 'enforce', 'enforce']);
    expect(paths.map((path) => bpf.allows(path, 'r'))).toEqual([false, false, true]);
    const compilation = compile([files, block]);
    expectParsed(compilation);
    expect(paths.map((path) => allows(compilation, path, 'r', profile))).toEqual([
      ...[false, false, true],
    ]);
    expect(bpf.cause('/usr/lib/nginx/plugin.so', 'r')).toBe('file/matchPatterns/0');
  });

  withParser('for files tell of an Audit of what a program needs', () => {
    const watch = policy('watch', {
      file: { matchPaths: [{ path: '/etc/localtime', action: 'Audit' }] },
    });
    const compilation = compile([files, watch]);
    expectParsed(compilation);
    const automaton = parser?.automaton(profileIn(compilation.texts.enforce, profile));
    expect(automaton?.audits('/etc/localtime', 'r', 'owner')).toBe(true);
    expect(automaton?.audits('/etc/nsswitch.conf', 'r', 'owner')).toBe(false);
  });

  withParser('of capabilities and sockets under posture block leave the listed ones', () => {
    const compilation = compile([
      policy(
        'caps',
        {
          capabilities: {
            matchCapabilities: [
              { capability: 'net_bind_service', fromSource: [{ path: '/usr/sbin/nginx' }] },
            ],
            action: 'Allow',
          },
          network: {
            matchProtocols: [{ protocol: 'tcp', fromSource: [{ path: '/usr/sbin/nginx' }] }],
            action: 'Allow',
          },
        },
        { 'hostward.io/posture': 'block' },
      ),
    ]);
    expectParsed(compilation);
    const text = profileIn(compilation.texts.enforce, profile);
    expect(text).toContain('audit deny capability sys_admin,');
    expect(text).not.toContain('deny capability net_bind_service,');
    expect(text).toContain('audit deny network inet dgram,');
    expect(text).not.toContain('deny network inet stream,');
  });
});

describe('what AppArmor cannot do', () => {
  it('is unsupported with its reason, and takes nothing else down', () => {
    const src = [{ path: '/usr/bin/curl' }];
    const compilation = compile([
      policy('many', {
        process: {
          matchPaths: [
            { path: '/usr/bin/a', allowedArgs: ['-x'] },
            { path: '/usr/bin/b', pts: false },
            { path: '/usr/bin/good' },
          ],
        },
        network: {
          matchProtocols: ['sctp', 'dccp', 'icmp', 'icmpv6', 'bogus'].map((protocol) => ({
            protocol,
            fromSource: src,
          })),
          matchDNSQueries: [{ domain: 'evil.example' }],
        },
        capabilities: { matchCapabilities: [{ capability: 'cap_nonsense', fromSource: src }] },
        syscalls: { matchSyscalls: [{ syscall: ['unlink'] }] },
        device: { matchDevice: [{ class: 'FLOPPY' }] },
        apparmor: 'capability,',
      }),
    ]);
    const plans = new Map(reports(compilation).map(({ id, plan }) => [id, plan]));
    expect(plans.get('process/matchPaths/2')).toBe('enforce');
    plans.delete('process/matchPaths/2');
    expect(new Set(plans.values())).toEqual(new Set(['unsupported']));
    expect(
      reports(compilation).filter(({ plan, reason }) => plan === 'unsupported' && !reason),
    ).toEqual([]);
  });

  it('about arguments is enforced by BPF alone, and refuses those that are not listed', () => {
    const args = (action: 'Block' | 'Audit' | 'Allow') =>
      policy(action.toLowerCase(), {
        action,
        process: { matchPaths: [{ path: '/usr/bin/git', allowedArgs: ['status', '--'] }] },
      });
    const planOn = (action: 'Block' | 'Audit' | 'Allow', bpf: boolean) =>
      reports(compile([args(action)], { bpf })).map(({ plan, reason }) => [plan, reason]);
    expect(planOn('Block', true)).toEqual([['enforce', undefined]]);
    expect(planOn('Audit', true)).toEqual([['audit', undefined]]);
    expect(planOn('Allow', true)).toEqual([['unsupported', expect.stringContaining('a Block')]]);
    expect(planOn('Block', false)).toEqual([
      ['unsupported', expect.stringContaining('not seen by AppArmor')],
    ]);
    const { table, probes } = compile([args('Block')], { bpf: true });
    const reader = new TableReader(table?.blob ?? new Uint8Array());
    const denied = [[], ['status', '--'], ['push'], ['status', 'push']].map(
      (given) => reader.path('/usr/bin/git', 'x', 'owner', 0, given).deny,
    );
    expect(denied).toEqual([false, false, true, true]);
    // Whoever is not the program itself may not map it either, and no probe could show it.
    expect(reader.path('/usr/bin/git', 'm', 'other').deny).toBe(true);
    expect(probes).toEqual([]);
  });

  it('leaves out by name what is beyond eight rules on the arguments of one program', () => {
    const many = Array.from({ length: 10 }, (_, at) => ({
      path: '/usr/bin/git',
      allowedArgs: ['status', `--${at}`],
    }));
    const found = reports(
      compile([policy('many', { action: 'Block', process: { matchPaths: many } })], { bpf: true }),
    );
    expect(found.filter(({ plan }) => plan === 'unsupported').map(({ id }) => id)).toEqual([
      'process/matchPaths/8',
      'process/matchPaths/9',
    ]);
  });

  it('about names of DNS is enforced by BPF alone, and where there is cgroup v2', () => {
    const names = policy('names', {
      action: 'Block',
      network: { matchDNSQueries: [{ domain: 'Evil.example.' }] },
    });
    const planOn = (host: Partial<HostCapabilities>) =>
      reports(compile([names], host)).map(({ plan, reason }) => [plan, reason]);
    expect(planOn({ bpf: true, queries: true })).toEqual([['enforce', undefined]]);
    expect(planOn({ bpf: true })).toEqual([['unsupported', expect.stringContaining('cgroup v2')]]);
    expect(planOn({})).toEqual([['unsupported', expect.stringContaining('AppArmor')]]);
    const { table } = compile([names], { bpf: true, queries: true });
    const reader = new TableReader(table?.blob ?? new Uint8Array());
    const denied = ['evil.example', 'www.EVIL.example', 'notevil.example', 'example'].map(
      (name) => reader.path(queryPath(name), 'q', 'other').deny,
    );
    expect(denied).toEqual([true, true, false, false]);
    // A rule on names is none on files.
    expect([reader.concerns('q'), reader.concerns('r')]).toEqual([true, false]);
    expect(reader.path('/example/evil/', 'r', 'other').deny).toBe(false);
  });

  withParser('tcp is told without AF_UNIX, raw without netlink, and all of them parse', () => {
    const names = ['tcp', 'udp', 'raw', 'stream', 'dgram', 'rdm', 'seqpacket', 'packet', 'all'];
    const compilation = compile([
      policy('net', {
        network: {
          matchProtocols: names.map((protocol) => ({
            protocol,
            fromSource: [{ path: '/usr/bin/curl' }],
          })),
        },
      }),
    ]);
    expectParsed(compilation);
    const text = profileIn(compilation.texts.enforce, sourceProfileName('/usr/bin/curl'));
    expect(text).toContain('audit deny network inet stream,');
    expect(text).not.toMatch(/deny network (unix|netlink)/);
    expect(reports(compilation).map(({ plan }) => plan)).toEqual(names.map(() => 'enforce'));
  });

  withParser.each<[string, 'Block' | 'Allow', readonly string[]]>([
    ['tcp', 'Block', ['smc']],
    ['stream', 'Block', ['smc']],
    ['udp', 'Block', []],
    ['all', 'Block', ['smc', 'kcm', 'rxrpc', 'vsock']],
    ['udp', 'Allow', ['smc', 'kcm', 'rxrpc', 'vsock']],
    ['tcp', 'Allow', ['kcm', 'rxrpc', 'vsock']],
  ])('sockets of other families count as %s does on BPF under %s', (protocol, action, denied) => {
    const families = ['smc', 'kcm', 'rxrpc', 'vsock', 'netlink', 'unix'];
    const annotations = {
      'hostward.io/posture': 'block',
      'hostward.io/override-protection': 'true',
    };
    const rule = policy(
      'net',
      {
        network: { matchProtocols: [{ protocol, fromSource: [{ path: '/usr/bin/id' }] }], action },
      },
      annotations,
    );
    const compilation = compile([rule]);
    expectParsed(compilation);
    expect(reports(compilation).map(({ plan }) => plan)).toEqual(['enforce']);
    const text = profileIn(compilation.texts.enforce, sourceProfileName('/usr/bin/id'));
    expect(families.filter((one) => text.includes(`audit deny network ${one},`))).toEqual(denied);
    const { table } = compile([rule], { bpf: true });
    const reader = new TableReader(table?.blob ?? new Uint8Array());
    const kinds = ['smc', 'other', 'vsock', 'netlink', 'unix'];
    const onBpf = kinds.filter((kind) => reader.socket(kind, 1).deny);
    expect(onBpf).toEqual(kinds.filter((kind) => denied.includes(kind === 'other' ? 'kcm' : kind)));
  });

  it('a pattern beyond the budget is refused by its rule, those before it hold', () => {
    const matchPatterns = Array.from({ length: 12 }, (_, at) => ({
      pattern: `/**/a${at}/**/b${at}`,
    }));
    const plans = reports(compile([policy('pat', { file: { matchPatterns } })])).map(
      ({ plan }) => plan,
    );
    expect(plans.filter((plan) => plan === 'enforce')).toHaveLength(8);
    expect(plans.slice(8)).toEqual(['unsupported', 'unsupported', 'unsupported', 'unsupported']);
  });

  withParser.each<[string, readonly string[], number]>([
    ['bytes behind a text', [`/**a${'?'.repeat(20)}`], 0],
    ['as many as fit', [`/srv/**a${'?'.repeat(9)}`], 1],
    ['more than fit together', ['/srv/**a?????', '/srv/x/**b?????', '/srv/**c?????'], 2],
    ['elsewhere', ['/opt/**a???????', '/srv/**b???????', '/mnt/**c???????'], 3],
    ['in brackets', [`/**a${'[a-f]'.repeat(20)}`], 0],
    ['in brackets without the text', [`/**-${'[0-9]'.repeat(20)}`], 1],
    ['in braces', [`/**{a,/}${'?'.repeat(20)}`], 0],
    ['a star in braces', [`/**{a,*}${'?'.repeat(20)}`], 0],
    ['a text in brackets', [`/**[a]${'?'.repeat(20)}`], 0],
    ['choices', [`/**a${'{a,b}'.repeat(20)}`], 0],
    ['choices without the text', [`/srv/**.${'{a,b}'.repeat(20)}`], 1],
    ['bytes behind a slash', [`/**/a${'?'.repeat(20)}`], 1],
    ['bytes before a text', [`/**${'?'.repeat(20)}a`], 1],
    ['bytes without a star', [`/a${'?'.repeat(20)}`], 1],
  ])(
    'a pattern whose bytes multiply the states is refused by its rule: %s',
    (_, patterns, held) => {
      const matchPatterns = patterns.map((pattern) => ({ pattern }));
      const compilation = compile([policy('pat', { file: { matchPatterns } })]);
      const plans = reports(compilation).map(({ plan }) => plan);
      expect(plans).toEqual(patterns.map((_one, at) => (at < held ? 'enforce' : 'unsupported')));
      expectParsed(compilation);
    },
  );

  withParser('200 patterns with ** stay cheap for the parser', () => {
    const matchPatterns = Array.from({ length: 200 }, (_, at) => ({
      pattern: `/home/**/.cache${at}/*.so`,
    }));
    const compilation = compile([policy('pat', { process: { matchPatterns } })]);
    expectParsed(compilation);
    expect(reports(compilation).every(({ plan }) => plan === 'enforce')).toBe(true);
    expect(allows(compilation, '/home/a/.cache7/x.so', 'x')).toBe(false);
  });
});

describe('a rule that asks for a terminal, on BPF', () => {
  const rules = [
    policy('tty', {
      process: { matchPaths: [{ path: '/usr/bin/a', pts: false, action: 'Block' }] },
      file: {
        matchPaths: [
          { path: '/srv/b', pts: false, fromSource: [{ path: '/usr/bin/cat' }], action: 'Block' },
          { path: '/srv/c', pts: true, action: 'Block' },
        ],
      },
    }),
  ];

  it('binds its subjects only while they have one, and no probe asks for it', () => {
    const compilation = compile(rules, { bpf: true });
    expect(reports(compilation).map(({ plan }) => plan)).toEqual(['enforce', 'enforce', 'enforce']);
    expect(compilation.table?.subjects).toEqual([
      'hostward',
      sourceProfileName('/usr/bin/cat'),
      'hostward-tty',
      `${sourceProfileName('/usr/bin/cat')}-tty`,
    ]);
    expect(compilation.probes.map(({ path }) => path)).toEqual(['/srv/c']);
  });

  it('is named for a denial of a subject that had one', () => {
    const { attribution } = compile(rules, { bpf: true }).report;
    const cause = (name: string, requested: string, profile: string): string | undefined =>
      attribute(attribution, { name, requested, denied: requested, profile })?.rule;
    expect(cause('/usr/bin/a', 'x', 'hostward')).toBeUndefined();
    expect(cause('/usr/bin/a', 'x', 'hostward-tty')).toBe('process/matchPaths/0');
    const cat = `${sourceProfileName('/usr/bin/cat')}-tty`;
    expect(cause('/srv/b', 'r', cat)).toBe('file/matchPaths/0');
    expect(cause('/usr/bin/a', 'x', cat)).toBe('process/matchPaths/0');
    expect(cause('/srv/c', 'r', cat)).toBe('file/matchPaths/1');
  });

  it('is refused where it would lock out who sits at a terminal', () => {
    const [report] = reports(
      compile(
        [policy('sudo', { process: { matchPaths: [{ path: '/usr/bin/sudo', pts: false }] } })],
        { bpf: true },
      ),
    );
    expect(report).toMatchObject({ plan: 'refused', reason: expect.stringContaining('sudo') });
  });
});

describe('probes', () => {
  it('name one existing path for a Block, and nothing that the profile would not deny', () => {
    const asked: string[] = [];
    const compilation = compile(
      [
        policy('p', {
          process: {
            matchDirectories: [{ dir: '/tmp/', recursive: true }],
            matchPaths: [{ path: '/usr/bin/id' }],
          },
          file: {
            matchPaths: [
              { path: '/srv/a' },
              { path: '/srv/b', readOnly: true },
              { path: '/srv/c', ownerOnly: true },
            ],
          },
        }),
      ],
      {
        existing: ({ kind, object }) => {
          asked.push(`${kind} ${object.type}`);
          return object.type === 'path' ? object.path : undefined;
        },
      },
    );
    expect(compilation.probes.map(({ kind, path, profile }) => [kind, path, profile])).toEqual([
      ['exec', '/usr/bin/id', 'hostward'],
      ['read', '/srv/a', 'hostward'],
      ['write', '/srv/b', 'hostward'],
    ]);
    expect(asked).toContain('exec directory');
  });
});
