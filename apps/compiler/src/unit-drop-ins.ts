import {
  BLOCKED_PROFILE,
  CATCH_ALL,
  type Compilation,
  forbiddingRules,
  type RuleReport,
  sourceProfileName,
} from '#policy-compiler';
import type { Host } from './host-facts.js';
import { type DropIn, dropInsFor } from './units.js';

/** Mirror of HW_TABLE_DROPINS_MAX in libs/sensor/native/src/table.h. */
const MAX_DROPINS = 512;

/**
 * Adds what units need besides. Those that a rule keeps from starting come first; where there is no room for one, the rule is
 * `failed`, since PID 1 would start what it forbids.
 */
export function withDropIns<T extends { readonly compilation: Compilation }>(
  compiled: T,
  host: Pick<Host, 'units' | 'capabilities'>,
): T & { readonly dropIns: readonly DropIn[] } {
  const { compilation } = compiled;
  const all = dropInsOf(compilation, host);
  const blocking = all.filter(isBlocking);
  const dropIns = [...blocking, ...all.filter((each) => !isBlocking(each))].slice(0, MAX_DROPINS);
  const cut = new Set(blocking.slice(MAX_DROPINS).map(({ unit }) => unit));
  const hidden = host.units.flatMap((unit) => unit.hidden ?? []);
  if (cut.size === 0) return { ...compiled, compilation: withHidden(compilation, hidden), dropIns };
  const needed = host.units.filter(({ unit }) => cut.has(unit)).flatMap((unit) => unit.needed);
  return { ...compiled, compilation: withFailures(compilation, needed), dropIns };
}

function dropInsOf(
  { profiles, report }: Compilation,
  { units, capabilities }: Pick<Host, 'units' | 'capabilities'>,
): readonly DropIn[] {
  const names = new Set(profiles.map(({ name }) => name));
  const ours = (program: string): string => {
    const name = sourceProfileName(program);
    return names.has(name) ? name : CATCH_ALL;
  };
  return dropInsFor(units, {
    ours,
    attached: (program) => capabilities.attached?.(program),
    forbidden: (program) => forbiddingRules(report.attribution, program).length > 0,
  });
}

function isBlocking({ content }: DropIn): boolean {
  return content.includes(`AppArmorProfile=${BLOCKED_PROFILE}\n`);
}

/** What a service starts whose unit is closed to us, a rule may forbid: each that is about programs says so. */
function withHidden(compilation: Compilation, [first, ...more]: readonly string[]): Compilation {
  if (first === undefined) return compilation;
  const which = more.length === 0 ? first : `${first}, and ${more.length} more`;
  const reason = `the compiler is not let to read ${which} (chmod a+rX): a service may start what this forbids`;
  return marked(compilation, (_policy, rule) =>
    rule.class === 'process' && rule.plan === 'enforce'
      ? { ...rule, reason: rule.reason ?? reason }
      : rule,
  );
}

/** The rules that forbid one of these programs could not be kept. */
function withFailures(compilation: Compilation, programs: readonly string[]): Compilation {
  const { report } = compilation;
  const indices = new Set(
    [...new Set(programs)].flatMap((program) => forbiddingRules(report.attribution, program)),
  );
  const failed = report.attribution.rules.filter((_, index) => indices.has(index));
  return marked(compilation, (policy, rule) =>
    failed.some((each) => each.policy === policy && each.rule === rule.id)
      ? { ...rule, plan: 'failed', reason: TOO_MANY }
      : rule,
  );
}

function marked(
  compilation: Compilation,
  mark: (policy: string, rule: RuleReport) => RuleReport,
): Compilation {
  const { report } = compilation;
  const policies = report.policies.map((each) => ({
    ...each,
    rules: each.rules.map((rule) => mark(each.policy, rule)),
  }));
  return { ...compilation, report: { ...report, policies } };
}

const TOO_MANY = `more than ${MAX_DROPINS} services of this host need a program that a rule forbids, and only so many can be kept from starting: the first process starts the others`;
