import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import {
  allows,
  compile,
  expectParsed,
  parser,
  reports,
  withParser,
} from './fixtures/compilation.js';
import { exception, policy, profileIn } from './fixtures/rule-sets.js';
import { covers, matcherOf, type PathObject } from './resolve/objects.js';
import { parseGlob } from './resolve/glob.js';

type Spec = Omit<HostPolicySpec, 'nodeSelector'>;

const watch = (spec: Spec): HostPolicy => policy('watch', { ...spec, action: 'Audit' });
const block = (spec: Spec): HostPolicy => policy('block', { ...spec, action: 'Block' });

function seen(policies: readonly HostPolicy[]) {
  const compilation = compile(policies);
  expectParsed(compilation);
  const automaton = parser?.automaton(profileIn(compilation.texts.enforce, 'hostward'));
  return {
    audits: (path: string, perm: string) => automaton?.audits(path, perm, 'owner'),
    allows: (path: string, perm: string) => allows(compilation, path, perm),
    watched: reports(compilation).find(({ plan }) => plan === 'audit'),
  };
}

describe('an Audit under a stronger Allow, on AppArmor', () => {
  const NMAP: Spec = { process: { matchPaths: [{ path: '/usr/bin/nmap' }] } };

  withParser('is logged, and no more, where a pattern allows all that begins as it does', () => {
    const { audits, allows: may } = seen([
      block(NMAP),
      exception({ process: { matchPatterns: [{ pattern: '/usr/**' }] } }),
      watch({ process: { matchDirectories: [{ dir: '/usr/bin/', recursive: true }] } }),
    ]);
    expect(['nmap', 'id'].map((name) => audits(`/usr/bin/${name}`, 'x'))).toEqual([true, true]);
    expect(audits('/usr/sbin/x', 'x')).toBe(false);
    expect(may('/usr/bin/nmap', 'x')).toBe(true);
  });

  withParser('is logged with all that the Allow permits, where both only meet over a Block', () => {
    const { audits, allows: may } = seen([
      block({ process: { matchPaths: [{ execname: 'nmap' }] } }),
      exception({ process: { matchPatterns: [{ pattern: '/srv/*map' }] } }),
      watch({ process: { matchPatterns: [{ pattern: '/srv/n*' }] } }),
    ]);
    expect([audits('/srv/nmap', 'x'), may('/srv/nmap', 'x')]).toEqual([true, true]);
    expect([audits('/srv/zmap', 'x'), may('/srv/zmap', 'x')]).toEqual([true, true]);
    expect([audits('/srv/nano', 'x'), may('/srv/nano', 'x')]).toEqual([true, true]);
    expect(may('/opt/nmap', 'x')).toBe(false);
  });

  withParser('of files is logged as it is where nothing weaker is blocked in it', () => {
    const {
      audits,
      allows: may,
      watched,
    } = seen([
      block({ file: { matchPaths: [{ path: '/srv/data/key' }] } }),
      exception({ file: { matchPatterns: [{ pattern: '/srv/*/[k-z]*' }] } }),
      watch({ file: { matchPatterns: [{ pattern: '/srv/logs/*' }] } }),
    ]);
    expect([audits('/srv/logs/key', 'r'), audits('/srv/logs/a', 'r')]).toEqual([true, true]);
    expect([audits('/srv/data/key', 'r'), may('/srv/data/key', 'r')]).toEqual([false, true]);
    expect(watched?.reason).toBeUndefined();
  });

  withParser('of files says that it is not logged where something weaker is blocked in it', () => {
    const {
      audits,
      allows: may,
      watched,
    } = seen([
      block({ file: { matchPaths: ['/srv/logs/a', '/srv/x/key'].map((path) => ({ path })) } }),
      exception({ file: { matchPatterns: [{ pattern: '/srv/*/[k-z]*' }] } }),
      watch({ file: { matchPatterns: [{ pattern: '/srv/logs/*' }] } }),
    ]);
    expect([audits('/srv/logs/key', 'r'), audits('/srv/logs/b', 'r')]).toEqual([false, true]);
    expect(may('/srv/logs/a', 'r')).toBe(false);
    expect(watched?.reason).toMatch(/^not logged where an Allow meets it/);
  });
});

describe('a pattern that ends in **', () => {
  it('covers only what it matches', () => {
    const text = fc.constantFrom('/a', '/a/', '/a/b', '/a/b/');
    const inner: fc.Arbitrary<PathObject> = fc.oneof(
      fc.record({
        type: fc.constant('directory' as const),
        dir: fc.constantFrom('/a/', '/a/b/', '/'),
        recursive: fc.boolean(),
      }),
      fc.constantFrom('/a/*', '/a/{,b}', '/a/b*/c', '/a/**', '/a/b/**').map((glob) => ({
        type: 'pattern' as const,
        glob: parseGlob(glob),
      })),
    );
    const paths = ['/', '/a', '/a/', '/a/b', '/a/b/', '/a/b/c', '/a/bc', '/a/bc/c', '/ab'];
    fc.assert(
      fc.property(text, inner, (begin, one) => {
        const outer: PathObject = { type: 'pattern', glob: parseGlob(`${begin}**`) };
        if (!covers(outer, one)) return;
        const [inOuter, inInner] = [matcherOf(outer), matcherOf(one)];
        expect(paths.filter((path) => inInner(path) && !inOuter(path))).toEqual([]);
      }),
    );
    const usr: PathObject = { type: 'pattern', glob: parseGlob('/usr/**') };
    expect(covers(usr, { type: 'directory', dir: '/usr/bin/', recursive: true })).toBe(true);
    expect(covers(usr, { type: 'directory', dir: '/usr/', recursive: true })).toBe(false);
  });
});
