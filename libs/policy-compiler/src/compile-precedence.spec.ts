import { describe, expect, it } from '@jest/globals';
import type { HostPolicy } from '#policy-model';
import { attribute } from './attribute.js';
import {
  allows,
  compile,
  expectParsed,
  parser,
  reports,
  withParser,
} from './fixtures/compilation.js';
import { policy, profileIn } from './fixtures/rule-sets.js';
import { sourceProfileName } from './resolve/names.js';
import { TableReader } from './bpf/read-table.js';

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
