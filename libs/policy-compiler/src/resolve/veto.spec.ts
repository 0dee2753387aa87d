import { describe, expect, it } from '@jest/globals';
import type { Rule, RuleObject } from '#policy-model';
import { type Veto, parseVeto, vetoProblem, vetoReason } from './veto.js';

const KEY = 'ab'.repeat(32);
const resolve = (path: string): readonly string[] =>
  /^\/bin(\/|$)/.test(path) ? [path, `/usr${path}`] : [path];

function rule(object: RuleObject, over: Partial<Rule> = {}): Rule {
  const section = object.kind === 'process' ? 'process' : 'file';
  return {
    id: `${section}/matchPaths/0`,
    policy: 'p',
    action: 'Block',
    tier: 'normal',
    tags: [],
    object,
    sources: [],
    ownerOnly: false,
    lifts: false,
    readOnly: false,
    ...over,
  };
}

const path = (at: string): RuleObject => ({ kind: 'process', match: { type: 'path', path: at } });
const refused = (veto: Veto, of: Rule, authors: readonly string[] = []) =>
  vetoReason([veto], of, { authors, resolve }) !== undefined;

describe("the owner's veto", () => {
  it('refuses by the name of a policy, by section, by action and by author', () => {
    const sleep = rule(path('/usr/bin/sleep'));
    expect(refused('p', sleep)).toBe(true);
    expect(refused('q', sleep)).toBe(false);
    expect(refused({ sections: ['process'] }, sleep)).toBe(true);
    expect(refused({ sections: ['network'] }, sleep)).toBe(false);
    expect(refused({ actions: ['Block'] }, sleep)).toBe(true);
    expect(refused({ actions: ['Audit'] }, sleep)).toBe(false);
    expect(refused({ authors: [KEY] }, sleep, [KEY])).toBe(true);
    expect(refused({ authors: [KEY] }, sleep)).toBe(false);
  });

  it('knows the rules about names as those of the network, and by themselves', () => {
    const query = rule({ kind: 'dns', domain: 'example.com' }, { id: 'network/matchDNSQueries/0' });
    expect(refused({ sections: ['dns'] }, query)).toBe(true);
    expect(refused({ sections: ['network'] }, query)).toBe(true);
    expect(refused({ sections: ['process'] }, query)).toBe(false);
  });

  it('refuses only where everything that an entry names holds', () => {
    const sleep = rule(path('/usr/bin/sleep'));
    expect(refused({ sections: ['process'], actions: ['Audit'] }, sleep)).toBe(false);
    expect(refused({ sections: ['process'], actions: ['Block', 'Audit'] }, sleep)).toBe(true);
  });

  it.each([
    ['/opt/app/', path('/opt/app/run'), true],
    ['/opt/app/', path('/opt/application'), false],
    ['/opt/app/run', path('/opt/app/run'), true],
    ['/usr/bin/sleep', path('/bin/sleep'), true],
    ['/bin/sleep', path('/usr/bin/sleep'), true],
    [
      '/opt/app/run',
      { kind: 'file', match: { type: 'directory', dir: '/opt/', recursive: true } },
      true,
    ],
    [
      '/opt/app/',
      { kind: 'file', match: { type: 'directory', dir: '/srv/', recursive: true } },
      false,
    ],
    ['/opt/app/', { kind: 'file', match: { type: 'pattern', pattern: '/opt/**.conf' } }, true],
    ['/opt/app/', { kind: 'file', match: { type: 'pattern', pattern: '/srv/**' } }, false],
    ['/opt/app/', { kind: 'file', match: { type: 'pattern', pattern: '/opt//app/**' } }, true],
    ['/opt/app/', { kind: 'file', match: { type: 'pattern', pattern: '/opt/\\app/**' } }, false],
    ['/usr/bin/gdb', { kind: 'process', match: { type: 'pattern', pattern: '/bin/gd?' } }, true],
    ['/bin/gdb', { kind: 'process', match: { type: 'pattern', pattern: '/bin/gd?' } }, true],
    ['/usr/bin/gdb', { kind: 'process', match: { type: 'pattern', pattern: '/bin/x?' } }, false],
    ['/opt/app/run', { kind: 'process', match: { type: 'execname', name: 'run' } }, true],
    ['/opt/app/run', { kind: 'process', match: { type: 'execname', name: 'ran' } }, false],
    ['/opt/app/', { kind: 'capability', capability: 'net_raw' }, false],
  ] as const)('of %s reaches a rule on %j: %s', (at, object, expected) => {
    expect(refused({ paths: [at] }, rule(object))).toBe(expected);
  });

  it("gives the owner's reason", () => {
    const entry = { paths: ['/opt/'], reason: 'the vendor supports no policy there' };
    expect(vetoReason([entry], rule(path('/opt/a')), { authors: [], resolve })).toContain(
      'the vendor supports no policy there',
    );
  });

  it.each([
    ['all', /must be a list/],
    [[1], /entry 1 must be a policy name or a class/],
    [['a', {}], /entry 2 must have one of/],
    [[{ reason: 'x' }], /must have one of/],
    [[{ path: ['/x'] }], /a key that does not exist: path/],
    [[{ paths: ['x'] }], /absolute paths/],
    [[{ sections: ['files'] }], /sections/],
    [[{ authors: ['me'] }], /authors/],
    [[{ actions: [] }], /actions/],
    [[{ toString: ['x'] }], /does not exist/],
  ])('refuses %j and says why', (value, words) => {
    expect(vetoProblem(value)).toMatch(words);
    expect(parseVeto(value)).toBeUndefined();
  });
});
