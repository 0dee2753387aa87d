import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type HostPolicy, type Rule, rulesOf, type RuleSet } from '#policy-model';
import { attribute } from './attribute.js';
import { compileRuleSet } from './compile.js';
import { parser, withParser } from './fixtures/compilation.js';
import { debian, policy, profileIn, ruleSet } from './fixtures/rule-sets.js';
import { sourceProfileName } from './resolve/names.js';

const SOURCE = '/usr/bin/src';
const PATHS = ['/a', '/a/b', '/a/b/c', '/a/bc', '/a/c', '/b', '/b/c', '/c/b', '/c'];
const TIER = { exception: 2, baseline: 1, normal: 0 } as const;

type Asker = 'owner' | 'other';
interface Access {
  readonly path: string;
  readonly perm: string;
  readonly asker: Asker;
  readonly fromSource: boolean;
}

/** D5, written down once more without an eye on the compiler. Undefined: no rule speaks of the access. */
function decidedBy(rules: readonly Rule[], access: Access): Rule | undefined {
  const [first] = rules
    .filter((rule) => rule.action !== 'Audit' && speaksOf(rule, access))
    .sort(
      (a, b) => rank(b) - rank(a) || Number(b.action === 'Block') - Number(a.action === 'Block'),
    );
  return first;
}

function rank(rule: Rule): number {
  return TIER[rule.tier] * 1e6 + (rule.sources.length > 0 ? 1e5 : 0) + specificity(rule);
}

function specificity({ object }: Rule): number {
  if (object.kind !== 'process' && object.kind !== 'file') return 0;
  if (object.match.type === 'directory') return object.match.dir.length;
  return object.match.type === 'pattern' ? 0 : 9999;
}

function speaksOf(rule: Rule, access: Access): boolean {
  if (rule.sources.length > 0 && !access.fromSource) return false;
  if ((rule.object.kind === 'process') !== (access.perm === 'x')) return false;
  return matches(rule, access.path) && covers(rule, access);
}

function matches({ object }: Rule, path: string): boolean {
  if (object.kind !== 'process' && object.kind !== 'file') return false;
  const { match } = object;
  switch (match.type) {
    case 'path':
      return path === match.path;
    case 'execname':
      return path.split('/').at(-1) === match.name;
    case 'directory':
      return (
        path.startsWith(match.dir) &&
        (match.recursive || !path.slice(match.dir.length).includes('/'))
      );
    case 'pattern':
      return new RegExp(`^${match.pattern.replace('/**/', '/.+/').replace(/\*$/, '[^/]*')}$`).test(
        path,
      );
  }
}

function covers({ action, ownerOnly, readOnly }: Rule, { perm, asker }: Access): boolean {
  const writes = 'wl'.includes(perm);
  if (action === 'Allow') return (!ownerOnly || asker === 'owner') && (!readOnly || !writes);
  if (ownerOnly && readOnly) return asker === 'other' || writes;
  return (!ownerOnly || asker === 'other') && (!readOnly || writes);
}

function policies(): fc.Arbitrary<HostPolicy> {
  const common = {
    action: fc.constantFrom('Allow' as const, 'Block' as const, 'Audit' as const),
    ownerOnly: fc.boolean(),
    fromSource: fc.constantFrom(undefined, [{ path: SOURCE }]),
  };
  const dir = fc.constantFrom('/a/', '/a/b/', '/b/', '/c/');
  const pattern = fc.constantFrom('/a/*', '/**/c', '/a/b*');
  const section = fc.record({
    matchPaths: fc.array(
      fc.record({ path: fc.constantFrom(...PATHS), readOnly: fc.boolean(), ...common }),
      { maxLength: 2 },
    ),
    matchDirectories: fc.array(
      fc.record({ dir, recursive: fc.boolean(), readOnly: fc.boolean(), ...common }),
      { maxLength: 2 },
    ),
    matchPatterns: fc.array(
      fc.record({
        pattern,
        readOnly: fc.boolean(),
        action: common.action,
        ownerOnly: fc.boolean(),
      }),
      { maxLength: 1 },
    ),
  });
  const processSection = section.map(({ matchPaths, matchDirectories, matchPatterns }) => ({
    matchPaths: matchPaths.map(({ readOnly, path, ...rest }) =>
      readOnly ? { execname: 'c', ...rest } : { path, ...rest },
    ),
    matchDirectories: matchDirectories.map(({ readOnly: _, ...rest }) => rest),
    matchPatterns: matchPatterns.map(({ readOnly: _, ...rest }) => rest),
  }));
  return fc
    .record({
      name: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
      tier: fc.constantFrom('exception', 'baseline', 'normal'),
      process: processSection,
      file: section,
    })
    .map(({ name, tier, process, file }) =>
      policy(
        name,
        { process, file },
        { 'hostward.io/tier': tier, 'hostward.io/until': '2999-01-01T00:00:00Z' },
      ),
    );
}

const ruleSets: fc.Arbitrary<RuleSet> = fc
  .uniqueArray(policies(), {
    selector: ({ metadata }) => metadata.name,
    minLength: 1,
    maxLength: 3,
  })
  .map((list) => ruleSet(...list));

function accesses(): readonly Access[] {
  return PATHS.flatMap((path) =>
    ['r', 'w', 'x'].flatMap((perm) =>
      (['owner', 'other'] as const).flatMap((asker) => [
        { path, perm, asker, fromSource: false },
        { path, perm, asker, fromSource: true },
      ]),
    ),
  );
}

describe('the meaning of a rule set (D5)', () => {
  withParser(
    'is what the automaton of the real parser says, for the catch-all and for a source',
    () => {
      fc.assert(
        fc.property(ruleSets, (set) => {
          const rules = set.policies.flatMap(({ document }) => rulesOf(document));
          const { texts } = compileRuleSet(set, debian());
          for (const [name, fromSource] of profilesOf(rules)) {
            const automaton = parser?.automaton(profileIn(texts.enforce, name));
            for (const access of accesses().filter((one) => one.fromSource === fromSource)) {
              const { path, perm, asker } = access;
              const expected = decidedBy(rules, access)?.action !== 'Block';
              const found = automaton?.allows(path, perm, asker);
              expect({ name, ...access, found }).toEqual({ name, ...access, found: expected });
            }
          }
        }),
        { numRuns: 60 },
      );
    },
  );

  it('is what a denial is attributed to: the rule that decided, and nothing where none denied', () => {
    fc.assert(
      fc.property(ruleSets, (set) => {
        const rules = set.policies.flatMap(({ document }) => rulesOf(document));
        const { report } = compileRuleSet(set, debian());
        for (const access of accesses()) {
          const rule = decidedBy(rules, access);
          const found = attribute(report.attribution, recordOf(access, rules));
          if (rule?.action !== 'Block') expect(found).toBeUndefined();
          else expect(rank(ruleNamed(rules, found))).toBe(rank(rule));
        }
      }),
      { numRuns: 200 },
    );
  });
});

function profilesOf(rules: readonly Rule[]): readonly (readonly [string, boolean])[] {
  const scoped = rules.some(({ sources }) => sources.length > 0);
  return [['hostward', false], ...(scoped ? ([[sourceProfileName(SOURCE), true]] as const) : [])];
}

function recordOf(
  { path, perm, asker, fromSource }: Access,
  rules: readonly Rule[],
): Parameters<typeof attribute>[1] {
  const scoped = fromSource && rules.some(({ sources }) => sources.length > 0);
  return {
    profile: scoped ? sourceProfileName(SOURCE) : 'hostward',
    operation: perm === 'x' ? 'exec' : 'open',
    name: path,
    requested: perm,
    denied: perm,
    fsuid: 0,
    ouid: asker === 'owner' ? 0 : 1000,
  };
}

function ruleNamed(rules: readonly Rule[], found: ReturnType<typeof attribute>): Rule {
  const rule = rules.find(({ policy: name, id }) => name === found?.policy && id === found.rule);
  if (rule?.action !== 'Block') throw new Error(`no Block was named: ${JSON.stringify(found)}`);
  return rule;
}
