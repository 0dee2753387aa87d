import { conflicts, swallows } from '../plan/conflicts.js';
import type { Draft, DraftSet } from '../plan/draft.js';
import type { Placed } from '../plan/rule-entries.js';
import type { Problem } from '../plan/settle.js';
import type { HostCapabilities, ListClass } from '../plan/types.js';
import { Evaluator, listClassOf, listOf } from '../plan/verdict.js';
import { isExempt } from './leaving.js';

/** Exec targets with a name that a profile may have (12), less ours: the stack and the container runtimes. */
const MAX_FOREIGN_SOURCES = 9;
/** Priorities that a profile may use, from 1. */
const MAX_PRIORITY = 1000;
/** Of those what stands above all other exec rules takes. */
const TRANSITIONS = 1;

const NO_PRIORITY =
  'the parser of this host has no rule priorities (AppArmor 4.1), without which an Allow inside a Block cannot hold';

const TOO_DEEP = `more than ${MAX_PRIORITY} degrees of precedence meet in one profile`;

/** Rules that AppArmor, or the parser of this host, cannot hold. */
export function appArmorLimits(draft: Draft, host: HostCapabilities): readonly Problem[] {
  return [...unorderable(draft, host), ...fromExempt(draft), ...tooManyForeign(draft, host)];
}

function unorderable(draft: Draft, host: HostCapabilities): readonly Problem[] {
  return profileSets(draft).flatMap((sets) => {
    const entries = sets.flatMap(({ paths }) => paths);
    const pairs = conflicts(entries);
    if (host.apparmor?.priority === false) {
      const lost = pairs.filter(({ allow, deny }) => !swallows(allow, deny));
      return lost.map(({ allow }) => ({ index: allow.rule, reason: NO_PRIORITY }));
    }
    return degrees(entries) < MAX_PRIORITY
      ? []
      : pairs.map(({ allow }) => ({ index: allow.rule, reason: TOO_DEEP }));
  });
}

/** How many priorities a profile takes: those of files stand above those of programs (class-lines.ts). */
function degrees(entries: readonly Placed[]): number {
  const ranks = (of: readonly Placed[]): number => new Set(of.map(({ rank }) => rank)).size;
  const programs = entries.filter(({ perms }) => perms.includes('x'));
  const files = entries.filter(({ perms }) => perms !== 'x');
  return ranks(programs) + ranks(files) + TRANSITIONS;
}

/** The entry sets of each profile: the catch-all first. */
function profileSets(draft: Draft): readonly (readonly DraftSet[])[] {
  return [[draft.general], ...[...draft.sources.values()].map((own) => [draft.general, own])];
}

/**
 * Whether a source needs a profile that replaces the catch-all instead of being stacked on it: stacked profiles only
 * ever take away, so an Allow against something general would not hold.
 */
export function standsAlone(draft: Draft, own: DraftSet): boolean {
  return overruling(draft, own).length > 0;
}

/** Rules of a source that permit what the catch-all denies. */
function overruling(draft: Draft, own: DraftSet): readonly number[] {
  const allows = own.paths.filter(({ effect }) => effect === 'allow');
  const fromPaths = conflicts([...draft.general.paths.filter(isDeny), ...allows]).map(
    ({ allow }) => allow.rule,
  );
  const fromLists = allows
    .filter(({ perms }) => [...perms].some((perm) => blocksUnlisted(draft, listClassOf(perm))))
    .map(({ rule }) => rule);
  const general = new Evaluator([draft.general]);
  const fromCells = own.cells
    .filter(({ effect, cell }) => effect === 'allow' && !general.cell(cell).allowed)
    .map(({ rule }) => rule);
  return [...new Set([...fromPaths, ...fromLists, ...fromCells])];
}

function isDeny({ effect }: Placed): boolean {
  return effect === 'deny';
}

function blocksUnlisted(draft: Draft, listClass: ListClass): boolean {
  return listOf([draft.general], listClass)?.posture === 'block';
}

function fromExempt(draft: Draft): readonly Problem[] {
  return [...draft.sources].flatMap(([path, own]) => {
    if (!isExempt(path)) return [];
    const reason = `${path} runs outside the profiles, so that it can start services or containers`;
    return rulesOf(own).map((index) => ({ index, reason }));
  });
}

function rulesOf({ paths, cells, lists }: DraftSet): readonly number[] {
  const all = [...paths, ...cells, ...Object.values(lists)];
  return [...new Set(all.map(({ rule }) => rule))];
}

function tooManyForeign(draft: Draft, host: HostCapabilities): readonly Problem[] {
  const surplus = [...draft.sources]
    .filter(([path]) => host.attached?.(path) !== undefined)
    .slice(MAX_FOREIGN_SOURCES);
  return surplus.flatMap(([path, own]) => {
    const reason = `${path} has a profile of its own, and AppArmor can name only ${MAX_FOREIGN_SOURCES} such programs`;
    return rulesOf(own).map((index) => ({ index, reason }));
  });
}
