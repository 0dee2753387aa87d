import type { Rule, Tier } from '#policy-model';
import type { PathObject } from './objects.js';

/**
 * Rank of what a rule says about one object: the greater decides (D5). Tier before source before the most
 * specific object. Between equals deny decides, which is AppArmor's own rule within one priority.
 */
const TIER: Readonly<Record<Tier, number>> = { exception: 2, baseline: 1, normal: 0 };
const SOURCE_STEP = 10_000;
const TIER_STEP = 2 * SOURCE_STEP;
const EXACT = 5_000;

/** Rank of what a list opens without naming it: below that of every rule. */
export const IMPLIED = -1;

/** Rank of a path entry; `scoped` when the rule names its sources. */
export function pathRank(rule: Rule, object: PathObject): number {
  return subjectRank(rule) + specificity(object);
}

/** Rank of a cell entry: `broad` for what covers a whole class, such as the protocol `all`. */
export function cellRank(rule: Rule, broad: boolean): number {
  return subjectRank(rule) + (broad ? 0 : EXACT);
}

/** What a rule's tier alone weighs: more than anything below it. */
export function tierRank(rule: Rule): number {
  return TIER[rule.tier] * TIER_STEP;
}

function subjectRank(rule: Rule): number {
  return tierRank(rule) + (rule.sources.length > 0 ? SOURCE_STEP : 0);
}

/** Exact path or execname, then the longest directory, then patterns. */
function specificity(object: PathObject): number {
  switch (object.type) {
    case 'exact':
    case 'execname':
      return EXACT;
    case 'directory':
      return Math.min(object.dir.length, EXACT - 1);
    case 'pattern':
      return 0;
  }
}
