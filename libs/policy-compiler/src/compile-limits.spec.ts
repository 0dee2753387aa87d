import { describe, expect, it } from '@jest/globals';
import { attribute } from './attribute.js';
import { allows, compile, expectParsed, reports, withParser } from './fixtures/compilation.js';
import { policy, profileIn } from './fixtures/rule-sets.js';
import { sourceProfileName } from './resolve/names.js';
import { queryPath } from './resolve/query-names.js';
import { TableReader } from './bpf/read-table.js';
import type { HostCapabilities } from './plan/types.js';

const letter = (at: number): string => String.fromCharCode(97 + at);

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

  it('takes *. in front of a domain for the domain, and no other star, nor a domain without a label', () => {
    const host = { bpf: true, queries: true };
    const planOf = (domain: string) =>
      reports(compile([policy('p', { network: { matchDNSQueries: [{ domain }] } })], host)).map(
        ({ plan, reason }) => [plan, reason],
      );
    for (const domain of ['*', 'www.*.example', '*.*.example', 'evil.*'])
      expect(planOf(domain)).toEqual([['unsupported', expect.stringContaining('has a *')]]);
    for (const domain of ['.', '..', '*.'])
      expect(planOf(domain)).toEqual([['unsupported', expect.stringContaining('label')]]);
    const star = policy('star', { network: { matchDNSQueries: [{ domain: '*.Evil.example' }] } });
    const { table } = compile([star], host);
    const reader = new TableReader(table?.blob ?? new Uint8Array());
    const denied = ['evil.example', 'www.evil.example', 'notevil.example'].map(
      (name) => reader.path(queryPath(name), 'q', 'other').deny,
    );
    expect(denied).toEqual([true, true, false]);
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

  withParser.each<[string, (at: number) => string]>([
    ['texts', (at) => `/**/a${at}/**/b${at}`],
    ['brackets', (at) => `/srv/**[${letter(at)}]**[${letter(at).toUpperCase()}]`],
    ['negated brackets', (at) => `/srv/**[^${letter(at)}]**[^${letter(at + 12)}]`],
    ['a text and brackets', (at) => `/srv/**${letter(at)}**[${letter(at)}x]`],
  ])('a pattern beyond the budget is refused by its rule, those before it hold: %s', (_, of) => {
    const matchPatterns = Array.from({ length: 12 }, (_one, at) => ({ pattern: of(at) }));
    const compilation = compile([policy('pat', { file: { matchPatterns } })]);
    const plans = reports(compilation).map(({ plan }) => plan);
    expect(plans.filter((plan) => plan === 'enforce')).toHaveLength(8);
    expect(plans.slice(8)).toEqual(['unsupported', 'unsupported', 'unsupported', 'unsupported']);
    expectParsed(compilation);
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
