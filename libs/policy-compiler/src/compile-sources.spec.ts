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
import { policy, profileIn } from './fixtures/rule-sets.js';
import { sourceProfileName } from './resolve/names.js';

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
