import type { RuleStatus } from '#contracts';
import { printable, wrapped } from './printable.js';

/** Whose rules these are: a host in the status of a policy, a policy in the status of a host. */
export interface Reported {
  readonly of: string;
  readonly rules: readonly RuleStatus[];
}

const NAMES_SHOWN = 8;

/**
 * Why rules are not in force, each reason once: `unsupported: this host observes only`, then for whom and which rules.
 * A table has no room for it, and a reason that is cut says nothing.
 */
export function reasonLines(reported: readonly Reported[]): string[] {
  const found = new Map<string, Map<string, string[]>>();
  for (const { of, rules } of reported) {
    for (const { id, state, reason } of rules) {
      if (reason === undefined) continue;
      const text = `${state}: ${printable(reason)}`;
      const owners = found.get(text) ?? new Map<string, string[]>();
      owners.set(of, [...(owners.get(of) ?? []), id]);
      found.set(text, owners);
    }
  }
  return [...found].flatMap(([text, owners]) => [
    wrapped(text.split(' '), '  ').slice(2),
    ...ownerLines(owners),
  ]);
}

/** Prints the reasons after an empty line, or nothing where there are none. */
export function printReasons(reported: readonly Reported[]): void {
  const lines = reasonLines(reported);
  if (lines.length > 0) console.log(`\n${lines.join('\n')}`);
}

/** Owners with the same rules share a line. */
function ownerLines(owners: ReadonlyMap<string, readonly string[]>): string[] {
  const byRules = new Map<string, string[]>();
  for (const [of, rules] of owners) {
    const key = some(rules);
    byRules.set(key, [...(byRules.get(key) ?? []), of]);
  }
  return [...byRules].map(([rules, names]) => {
    const words = `${some(names.map(printable))}: ${rules}`.split(' ');
    return wrapped(words, '    ').replace('    ', '  ');
  });
}

function some(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  const shown = names.slice(0, NAMES_SHOWN).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}
