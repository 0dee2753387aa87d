import type { RuleStatus } from '#contracts';

/** What proved the states of rules, counted: `probe 2 read-back 1`. */
export function proofText({ rules }: { readonly rules: readonly RuleStatus[] }): string {
  const proved = (proof: string): number => rules.filter((rule) => rule.proof === proof).length;
  const counts = (['probe', 'read-back'] as const).map((proof) => [proof, proved(proof)] as const);
  const text = counts.filter(([, count]) => count > 0).map(([proof, count]) => `${proof} ${count}`);
  return text.join(' ') || '-';
}
