import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { HostPolicySpec } from '#policy-model';
import {
  allows,
  compile,
  expectParsed,
  MINER,
  parser,
  reports,
  withParser,
} from './fixtures/compilation.js';
import { compileRuleSet } from './compile.js';
import { debian, policy, profileIn, ruleSet } from './fixtures/rule-sets.js';
import { EXEMPT_ATTACHMENTS } from './apparmor/leaving.js';
import { sourceProfileName } from './resolve/names.js';
import { TableReader } from './bpf/read-table.js';

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

describe('a rule about what the compiler is not let to look at', () => {
  const reasonOf = (file: Parameters<typeof policy>[1]['file']) =>
    reports(
      compile([policy('p', { file })], {
        unseen: (path) => (/^\/(root|dev)\//.test(path) ? path : undefined),
      }),
    )[0];

  it('says so where no probe proves its block', () => {
    for (const file of [
      { matchDirectories: [{ dir: '/root/aws/' }] },
      { matchPaths: [{ path: '/dev/mapper/vg0-data' }] },
    ])
      expect(reasonOf(file)).toMatchObject({
        plan: 'enforce',
        reason: expect.stringMatching(/^whether \/\S+ is a link is hidden from the compiler: /),
      });
    for (const path of ['/root/.ssh/id_ed25519', '/srv/secret'])
      expect(reasonOf({ matchPaths: [{ path }] })).not.toHaveProperty('reason');
  });
});

describe('a file rule whose path is a directory, or has wildcards', () => {
  const reportOf = (spec: Parameters<typeof policy>[1], bpf: boolean) =>
    reports(
      compile([policy('p', spec)], {
        bpf,
        isDirectory: (path) => ['/etc/ssh', '/usr/share/x'].includes(path),
      }),
    )[0];

  it.each([
    ['AppArmor', false],
    ['BPF', true],
  ])('is not called enforced, and told to name it as one, on %s', (_enforcer, bpf) => {
    for (const conditions of [{}, { readOnly: true }, { action: 'Audit' as const }])
      expect(
        reportOf({ file: { matchPaths: [{ path: '/etc/ssh', ...conditions }] } }, bpf),
      ).toMatchObject({
        plan: 'overruled',
        reason:
          'it names /etc/ssh, a directory, which a path of a file never matches: use matchDirectories',
      });
  });

  it.each([
    ['its path', { matchPaths: [{ path: '/srv/*.key' }] }, '/srv/*.key'],
    ['its folder', { matchDirectories: [{ dir: '/home/*/.ssh/' }] }, '/home/*/.ssh/'],
    [
      'its source',
      { matchPaths: [{ path: '/srv/a', fromSource: [{ path: '/tmp/*' }] }] },
      '/tmp/*',
    ],
  ])('is not called enforced where wildcards stand for themselves in %s', (_in, file, named) => {
    const reason = `it names ${named}, where wildcards stand for themselves: use matchPatterns`;
    expect(reportOf({ file }, false)).toMatchObject({ plan: 'overruled', reason });
  });

  it('is in force for the file that comes in its place: who makes a directory does not end it', () => {
    const spec = { file: { matchPaths: [{ path: '/srv/www/shell.php' }] } };
    const text = (isDirectory: boolean): string =>
      compile([policy('p', spec)], { isDirectory: () => isDirectory }).texts.enforce;
    expect(text(true)).toContain('/srv/www/shell.php');
    expect(text(true)).toBe(text(false));
  });

  it('holds of a file, of a directory named as one, and of a link, which is a name of its own', () => {
    const plans = [
      { matchPaths: [{ path: '/etc/shadow', readOnly: true }] },
      { matchDirectories: [{ dir: '/etc/ssh/', readOnly: true }] },
      { matchPaths: [{ path: '/srv/link', readOnly: true }] },
    ].map((file) => reportOf({ file }, false)?.plan);
    expect(plans).toEqual(['enforce', 'enforce', 'enforce']);
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
