import { isOnPrograms, overlap } from './conflicts.js';
import { EntriesByPath } from './entries-by-path.js';
import { matcherOf } from '../resolve/objects.js';
import type { Placed } from './rule-entries.js';

/** What binds everybody (no program) or one program. */
export interface BoundPaths {
  readonly program?: string;
  readonly paths: Placed[];
}

/** An entry of one of them that speaks of mapping. */
interface Bound {
  readonly of: BoundPaths;
  readonly entry: Placed;
}

/** A denial, and the rank at which its mapping is denied. */
interface Raised extends Bound {
  readonly rank: number;
}

/** Above a rank and below what is above that. */
const JUST_ABOVE = 0.5;

/**
 * Rules on programs and rules on files both speak of mapping (m), and an Allow of one kind is no answer to a Block of the
 * other, whatever their ranks. But each enforcer has one order for a permission. So a denial of mapping goes up to the
 * strongest Allow of the other kind that may meet it, where it decides as between equals; Allows of its own kind that it
 * would hide go over it, but where they would hide another denial. Then some mapping is refused that both kinds permit,
 * never the reverse. No entry becomes more than two. Answers the rules of Allows of which that is so.
 */
export function addDeniedMappings(all: readonly BoundPaths[]): ReadonlySet<number> {
  const entries = all.flatMap((of) =>
    of.paths.filter(({ perms }) => perms.includes('m')).map((entry) => ({ of, entry })),
  );
  const allows = entries.filter(({ entry }) => entry.effect === 'allow');
  const strongest = new StrongestAllows(allows);
  const denies = entries
    .filter(({ entry }) => entry.effect === 'deny')
    .map((deny): Raised => ({ ...deny, rank: strongest.over(deny) ?? deny.entry.rank }));
  const raised = denies.filter(({ rank, entry }) => rank > entry.rank);
  const hidden = new Set<number>();
  const restored =
    raised.length === 0
      ? []
      : allows.flatMap((allow) => {
          const restoring = over(allow, raised, denies);
          if (restoring === 'hides') hidden.add(allow.entry.rule);
          return restoring === undefined || restoring === 'hides' ? [] : [restoring];
        });
  for (const { of, entry, rank } of [...raised, ...restored])
    of.paths.push({
      ...entry,
      perms: 'm',
      rank,
      ...(isOnPrograms(entry) ? { program: true } : {}),
    });
  return hidden;
}

/** An Allow over the denials that were raised past it, if there are any; `hides`: it cannot be, since it would hide another one. */
function over(
  allow: Bound,
  raised: readonly Raised[],
  denies: readonly Raised[],
): Raised | 'hides' | undefined {
  const own = allow.entry.rank;
  const hiding = raised.filter(
    (deny) =>
      deny.entry.rank < own && own <= deny.rank && isOneKind(allow, deny) && meet(allow, deny),
  );
  if (hiding.length === 0) return undefined;
  const rank = hiding.reduce((most, deny) => Math.max(most, deny.rank), 0) + JUST_ABOVE;
  const isHidden = (deny: Raised): boolean =>
    deny.rank < rank && (!isOneKind(allow, deny) || deny.entry.rank >= own) && meet(allow, deny);
  return denies.some(isHidden) ? 'hides' : { ...allow, rank };
}

/** Allows by whom they bind, in a form that is asked for each of thousands of Blocks. */
class StrongestAllows {
  private readonly ofAll: Strongest;
  private readonly byProgram: ReadonlyMap<string | undefined, Strongest>;

  constructor(allows: readonly Bound[]) {
    const groups = Map.groupBy(allows, ({ of }) => of.program);
    this.ofAll = new Strongest(allows);
    this.byProgram = new Map([...groups].map(([program, own]) => [program, new Strongest(own)]));
  }

  /** The rank of the strongest of the other kind that is above a denial and may meet it. */
  over({ of: { program }, entry }: Bound): number | undefined {
    const asked =
      program === undefined
        ? [this.ofAll]
        : [undefined, program].flatMap((one) => this.byProgram.get(one) ?? []);
    const ranks = asked.flatMap((allows) => allows.over(entry) ?? []);
    return ranks.length === 0 ? undefined : Math.max(...ranks);
  }
}

/** Allows whoever they bind: each distinct one with its greatest rank, and the greatest ranks first. */
class Strongest {
  private readonly entries = new EntriesByPath();

  constructor(allows: readonly Bound[]) {
    const distinct = new Set<string>();
    for (const { entry } of allows.toSorted((a, b) => b.entry.rank - a.entry.rank)) {
      const key = `${isOnPrograms(entry)} ${entry.who} ${entry.glob}`;
      if (!distinct.has(key)) this.entries.add(entry);
      distinct.add(key);
    }
  }

  over(deny: Placed): number | undefined {
    const isAbove = (allow: Placed): boolean =>
      allow.rank > deny.rank && isOnPrograms(allow) !== isOnPrograms(deny) && overlap(allow, deny);
    const found = [this.entries.wide.find(isAbove), this.exactOver(deny, isAbove)];
    const ranks = found.flatMap((allow) => allow?.rank ?? []);
    return ranks.length === 0 ? undefined : Math.max(...ranks);
  }

  private exactOver(deny: Placed, isAbove: (allow: Placed) => boolean): Placed | undefined {
    if (deny.object.type === 'exact')
      return this.entries.exact.get(deny.object.path)?.find(isAbove);
    const matches = matcherOf(deny.object);
    const met = [...this.entries.exact].flatMap(([path, allows]) => (matches(path) ? allows : []));
    return met.filter(isAbove).sort((a, b) => b.rank - a.rank)[0];
  }
}

function isOneKind(a: Bound, b: Bound): boolean {
  return isOnPrograms(a.entry) === isOnPrograms(b.entry);
}

/** Whether both may speak of one file to one task. */
function meet(a: Bound, b: Bound): boolean {
  const [one, other] = [a.of.program, b.of.program];
  const bindOne = one === undefined || other === undefined || one === other;
  return bindOne && overlap(a.entry, b.entry);
}
