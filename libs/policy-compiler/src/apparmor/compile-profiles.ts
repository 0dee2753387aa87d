import type { Draft } from '../plan/draft.js';
import type { Compilation, HostCapabilities } from '../plan/types.js';
import { escapeGlob } from '../resolve/glob.js';
import { CATCH_ALL, EXEC, isOwnProfile, sourceProfileName } from '../resolve/names.js';
import { leavingByOwnProfile, type Transition } from './leaving.js';
import { standsAlone } from './limits.js';
import {
  type ProfileFile,
  profileFile,
  type ProfilePlan,
  type TextContext,
} from './profile-text.js';

const UNWATCHED =
  'not logged where an Allow meets it that is over a Block or of a list: AppArmor has no glob for what both match';
const UNLISTED_MAPPED =
  'the parser of this host has no rule priorities (AppArmor 4.1): a program that is not listed may still be mapped';

/** The profiles of a settled draft, in the three modes, with a note on each rule that is in force only in part. */
export function compileProfiles(
  draft: Draft,
  host: HostCapabilities,
  hasPriority: boolean,
): Pick<Compilation, 'profiles' | 'texts'> {
  const plans = profilePlans(draft, host);
  const context = textContext(draft, host, hasPriority);
  const enforce = profileFile(plans, 'enforce', context);
  noteAppArmor(draft, enforce, hasPriority);
  return {
    profiles: plans.map(({ name, attach }) => (attach === undefined ? { name } : { name, attach })),
    texts: {
      enforce: enforce.text,
      audit: profileFile(plans, 'audit', context).text,
      open: profileFile(plans, 'open', context).text,
    },
  };
}

/** What a reader must know of rules that are in force. */
function noteAppArmor(draft: Draft, { unwatched }: ProfileFile, hasPriority: boolean): void {
  const note = (index: number, reason: string): void => {
    const rule = draft.rules[index];
    if (rule !== undefined) rule.reason ??= reason;
  };
  for (const index of unwatched) note(index, UNWATCHED);
  if (hasPriority) return;
  for (const { blocking } of [draft.general, ...draft.sources.values()])
    for (const index of blocking.file ?? []) note(index, UNLISTED_MAPPED);
}

function profilePlans(draft: Draft, host: HostCapabilities): readonly ProfilePlan[] {
  const sources = [...draft.sources].sort(([a], [b]) => (a < b ? -1 : 1));
  const used: ProfilePlan[] = [
    {
      name: CATCH_ALL,
      attach: '/**',
      sets: [draft.general],
      comment: 'Every program, from its next exec.',
    },
    ...sources.map(([source, own]) => ({
      name: sourceProfileName(source),
      attach: host.attached?.(source) === undefined ? escapeGlob(source) : undefined,
      sets: [draft.general, own],
      comment: `Source ${JSON.stringify(source)}.`,
    })),
  ];
  return [...used, ...retired(draft, used, host.loadedNames)];
}

/** A process may still be in a profile that no rule needs: it must not become unconfined. */
function retired(
  draft: Draft,
  used: readonly ProfilePlan[],
  loaded: readonly string[],
): readonly ProfilePlan[] {
  const names = new Set(used.map(({ name }) => name));
  return [...new Set(loaded)]
    .filter((name) => isOwnProfile(name) && !names.has(name))
    .sort()
    .map((name) => ({
      name,
      sets: [draft.general],
      comment: 'Retired: for processes that are still in it.',
    }));
}

function textContext(draft: Draft, host: HostCapabilities, hasPriority: boolean): TextContext {
  const references = draft.rules.map(({ reference }) => reference);
  const attached = host.attached ?? (() => undefined);
  return {
    references,
    transitions: [...transitions(draft, attached), ...leavingByOwnProfile(attached)],
    hasPriority,
  };
}

/**
 * Most sources need no rule: EXEC finds their profile by its attachment and stacks it on the catch-all, which
 * NoNewPrivileges permits.
 */
function transitions(
  draft: Draft,
  attached: (program: string) => string | undefined,
): readonly Transition[] {
  return [...draft.sources].flatMap(([source, own]) => {
    const name = sourceProfileName(source);
    const alone = standsAlone(draft, own);
    if (attached(source) !== undefined) {
      return [{ source, permission: alone ? `pix -> &${name}` : `${EXEC}//&${name}` }];
    }
    return alone ? [{ source, permission: 'px' }] : [];
  });
}
