import type { ExplanationView, SelectorTestView } from '#contracts';
import type { Explanation, SelectorTest } from '#policy-model';

/** Why a policy selects a host or not, as REST shows it. */
export function explanationView({ selected, tests }: Explanation): ExplanationView {
  return { selected, tests: tests.map(testView) };
}

function testView({ test, actual, passed, within }: SelectorTest): SelectorTestView {
  return { test, actual, holds: passed, within: within?.map(testView) };
}
