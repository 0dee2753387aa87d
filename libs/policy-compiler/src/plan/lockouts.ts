import type { RuleSet } from '#policy-model';
import { type Draft, type DraftSet, placeRules, subjectsOf } from './draft.js';
import { draftRules } from './draft-rule.js';
import { ASKERS, controlPath, protectedCells, type ProtectedCells } from './protected-paths.js';
import { queryPath } from '../resolve/query-names.js';
import type { ControlPathFacts, ListClass, Lockout, ProtectedPath } from './types.js';
import { type Asker, cellClassOf, Evaluator, listClassOf, type Verdict } from './verdict.js';

type Resolve = (path: string) => readonly string[];

/**
 * Rules that would cut the operator off from the host (D11): a Block, or what an allow-list under posture block
 * does not list, of anything that the control path needs, after symlinks. Policies with the override are left out.
 */
export function findLockouts(
  ruleSet: RuleSet,
  host: { readonly resolve: Resolve; readonly facts?: ControlPathFacts },
): readonly Lockout[] {
  const rules = draftRules(ruleSet);
  const all: RuleLockout[] = [];
  for (;;) {
    const found = findLockoutsIn(placeRules(rules, host), host.resolve, host.facts);
    if (found.length === 0) return all.map(({ index: _, ...lockout }) => lockout);
    all.push(...found);
    // Taken out, so that what is found only without them, as behind an Allow, is found in the next round.
    for (const { index } of found) Object.assign(rules[index] ?? {}, { plan: 'refused' });
  }
}

export interface RuleLockout extends Lockout {
  readonly index: number;
}

/** An argument that no allowedArgs lists. */
const UNLISTED = ['\0'];

const REMEDY =
  'narrow the rule (fromSource, readOnly, a deeper directory), or say hostward.io/override-protection: "true" on the policy (--override-protection)';

/** As `findLockouts`, of rules already placed; one a rule. */
export function findLockoutsIn(
  draft: Draft,
  resolve: Resolve,
  facts: ControlPathFacts = {},
): readonly RuleLockout[] {
  const found = new Map<number, RuleLockout>();
  const objects = controlPath(facts);
  const note = (index: number, protects: string, path: string): void => {
    const rule = draft.rules[index];
    if (rule === undefined || found.has(index)) return;
    const { policy, id } = rule.rule;
    const message = `${id} would block ${protects} (${path}), which the control path needs`;
    found.set(index, { index, policy, rule: id, protects, path, message, remedy: REMEDY });
  };
  for (const subject of subjects(draft, resolve, objects, protectedCells(facts))) {
    checkPaths(draft, subject, resolve, note);
    checkCells(draft, subject, note);
    if (subject.asks) checkNames(draft, subject, facts.names ?? [], note);
  }
  return [...found.values()];
}

interface Subject {
  readonly sets: readonly DraftSet[];
  readonly objects: readonly ProtectedPath[];
  readonly cells: readonly ProtectedCells[];
  /** It may have to find the control plane by name. */
  readonly asks: boolean;
}

type Note = (index: number, protects: string, path: string) => void;

/** The catch-all needs everything; a program of the control path with rules of its own needs its part. */
function subjects(
  draft: Draft,
  resolve: Resolve,
  objects: readonly ProtectedPath[],
  cells: readonly ProtectedCells[],
): readonly Subject[] {
  const programs = new Set(
    [...objects.flatMap(({ by = [] }) => by), ...ASKERS].flatMap((path) => [
      path,
      ...resolve(path),
    ]),
  );
  const needs = (by: readonly string[] | undefined, source: string): boolean =>
    by?.some((path) => path === source || resolve(path).includes(source)) ?? true;
  return subjectsOf(draft)
    .filter(({ path }) => path === undefined || programs.has(path))
    .flatMap(({ path, sets, terminal }) => {
      const needed = {
        objects: objects.filter(({ by }) => path === undefined || needs(by, path)),
        cells: cells.filter(({ by }) => path === undefined || needs(by, path)),
        asks: path === undefined || needs(ASKERS, path),
      };
      const atTerminal = { sets: [...sets, ...terminal], ...needed };
      return [{ sets, ...needed }, ...(terminal.length > 0 ? [atTerminal] : [])];
    });
}

function checkPaths(draft: Draft, { sets, objects }: Subject, resolve: Resolve, note: Note): void {
  const evaluator = new Evaluator(sets);
  for (const object of objects) {
    const spellings = resolve(object.path);
    const seen = spellings.at(-1) ?? object.path;
    for (const perm of object.perms) {
      for (const asker of askers(object)) {
        const verdictOn = (path: string): Verdict => evaluator.path(path, perm, asker, UNLISTED);
        const decisive = verdictOn(seen);
        for (const path of new Set([object.path, ...spellings])) {
          const verdict = path === seen ? decisive : verdictOn(path);
          // The kernel sees no link on the way: a list need not name it, and who is allowed what it leads to is not blocked.
          const isMoot = verdict.list !== undefined || isAllowedByRule(decisive);
          if (path !== seen && isMoot) continue;
          for (const index of causes(draft, sets, verdict, listClassOf(perm)))
            note(index, object.what, path);
        }
      }
    }
  }
}

function isAllowedByRule({ allowed, entry }: Verdict): boolean {
  return allowed && entry !== undefined;
}

function checkNames(draft: Draft, { sets }: Subject, names: readonly string[], note: Note): void {
  const evaluator = new Evaluator(sets);
  for (const name of names) {
    const verdict = evaluator.path(queryPath(name), 'q', 'other');
    for (const index of causes(draft, sets, verdict, 'dns')) {
      note(index, 'the name of the control plane', name);
    }
  }
}

function askers({ who }: ProtectedPath): readonly Asker[] {
  return who === undefined ? ['owner', 'other'] : [who];
}

/**
 * The rules that deny it, and those that would if these did not: all at once, since there may be thousands. Behind one
 * with the override nothing matters; of lists none is before another.
 */
function causes(
  { rules }: Draft,
  sets: readonly DraftSet[],
  { allowed, entry, denials }: Verdict,
  listClass: ListClass,
): readonly number[] {
  if (allowed) return [];
  const overrides = (index: number): boolean => rules[index]?.overridesProtection === true;
  if (entry === undefined) {
    const listing = sets.flatMap(({ blocking }) => blocking[listClass] ?? []);
    return listing.some(overrides) ? [] : listing;
  }
  const denying = denials.map(({ rule }) => rule);
  const overriding = denying.findIndex(overrides);
  return overriding < 0 ? denying : denying.slice(0, overriding);
}

function checkCells(draft: Draft, { sets, cells: protectedCells }: Subject, note: Note): void {
  const evaluator = new Evaluator(sets.map((set) => ({ ...set, paths: [] })));
  for (const { what, cells } of protectedCells) {
    for (const names of cells) {
      const verdicts = names.map((cell) => [cell, evaluator.cell(cell)] as const);
      // A list has it by the name alone that its enforcer knows.
      const isListed = verdicts.some(([, verdict]) => isAllowedByRule(verdict));
      for (const [cell, verdict] of verdicts) {
        if (verdict.list !== undefined && isListed) continue;
        for (const index of causes(draft, sets, verdict, cellClassOf(cell)))
          note(index, what, cell);
      }
    }
  }
}
