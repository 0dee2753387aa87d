import { swallows } from './conflicts.js';
import { type Draft, type DraftSet, subjectsOf } from './draft.js';
import { isLive } from './draft-rule.js';
import { EntriesByPath } from './entries-by-path.js';
import type { Placed } from './rule-entries.js';
import type { CellEntry } from './types.js';

/**
 * Marks the Blocks of which stronger rules leave nothing: an exception from one policy may allow all that another one
 * denies. Only what a single stronger Allow covers is seen, so a rule that is left as `enforce` may still be undone in
 * parts; those parts other rules decide, as their authors see. So are those that an exception leaves nothing of, and those
 * that may be about nothing on this host.
 */
export function markOverruled(draft: Draft): void {
  markCovered(draft);
  for (const drafted of draft.rules) {
    const reason = drafted.exempted ?? drafted.unmet;
    if (reason !== undefined && isLive(drafted))
      Object.assign(drafted, { plan: 'overruled', reason });
  }
}

function markCovered(draft: Draft): void {
  const by = new Map<number, number>();
  const stands = new Set(
    [draft.terminal.general, ...draft.terminal.sources.values()].flatMap(deniesOf),
  );
  for (const { sets } of subjectsOf(draft)) {
    const allows = new Allows(sets);
    for (const { rule, by: allow } of sets.slice(-1).flatMap((own) => allows.over(own))) {
      if (allow === undefined) stands.add(rule);
      else by.set(rule, allow);
    }
  }
  for (const [index, allow] of by) {
    const rule = draft.rules[index];
    const stronger = draft.rules[allow]?.rule;
    if (rule?.plan !== 'enforce' || stands.has(index) || stronger === undefined) continue;
    const reason = `nothing is left of it here: ${stronger.policy} ${stronger.id} allows all that it denies`;
    Object.assign(rule, { plan: 'overruled', reason });
  }
}

function deniesOf({ paths, cells }: DraftSet): readonly number[] {
  return [...paths, ...cells].filter(({ effect }) => effect === 'deny').map(({ rule }) => rule);
}

/** What some sets allow, in a form that is asked for each of thousands of Blocks. */
class Allows {
  private readonly paths = new EntriesByPath();
  private readonly cells = new Map<string, CellEntry>();

  constructor(sets: readonly DraftSet[]) {
    for (const { paths, cells } of sets) {
      paths.filter(isPlainAllow).forEach((entry) => this.paths.add(entry));
      for (const entry of cells) if (entry.effect === 'allow') this.addCell(entry);
    }
  }

  /** Each denying entry of a set, by its rule, with the rule that leaves nothing of it. */
  over({ paths, cells }: DraftSet): readonly { readonly rule: number; readonly by?: number }[] {
    return [
      ...paths.filter(isDeny).map((deny) => ({ rule: deny.rule, by: this.pathOver(deny)?.rule })),
      ...cells.filter(isDeny).map((deny) => ({ rule: deny.rule, by: this.cellOver(deny)?.rule })),
    ];
  }

  private addCell(entry: CellEntry): void {
    const known = this.cells.get(entry.cell);
    if (known === undefined || known.rank < entry.rank) this.cells.set(entry.cell, entry);
  }

  private pathOver(deny: Placed): Placed | undefined {
    const isOver = (allow: Placed): boolean => allow.rank > deny.rank && swallows(allow, deny);
    const { object } = deny;
    const { exact, wide } = this.paths;
    const found = object.type === 'exact' ? exact.get(object.path)?.find(isOver) : undefined;
    return found ?? wide.find(isOver);
  }

  private cellOver(deny: CellEntry): CellEntry | undefined {
    const allow = this.cells.get(deny.cell);
    return allow !== undefined && allow.rank > deny.rank ? allow : undefined;
  }
}

function isDeny({ effect }: { readonly effect: string }): boolean {
  return effect === 'deny';
}

/** With a condition on its arguments it leaves what does not meet that. */
function isPlainAllow({ effect, unless }: Placed): boolean {
  return effect === 'allow' && unless === undefined;
}
