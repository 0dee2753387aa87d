import type { Draft, DraftSet } from './draft.js';
import { matcherOf, type PathObject, prefixOf } from '../resolve/objects.js';
import { CATCH_ALL, sourceProfileName } from '../resolve/names.js';
import type { Placed } from './rule-entries.js';
import type { HostCapabilities, Probe, ProbeWish } from './types.js';
import { Evaluator } from './verdict.js';

/** A probe starts a process on the host: more than these would slow a swap down. */
const MAX_PROBES = 100;

/**
 * For each Block, where the host has a path that shows it, one attempt that must fail. Only what the profile denies to
 * the owner of the file is probed, since the sensor probes as root, who owns most files.
 */
export function planProbes(draft: Draft, host: HostCapabilities): readonly Probe[] {
  const subjects: readonly (readonly [string, DraftSet, readonly DraftSet[]])[] = [
    [CATCH_ALL, draft.general, [draft.general]],
    ...[...draft.sources].map(
      ([source, own]) => [sourceProfileName(source), own, [draft.general, own]] as const,
    ),
  ];
  return subjects.flatMap((subject) => subjectProbes(draft, host, ...subject)).slice(0, MAX_PROBES);
}

function subjectProbes(
  draft: Draft,
  host: HostCapabilities,
  profile: string,
  set: DraftSet,
  sets: readonly DraftSet[],
): readonly Probe[] {
  const evaluator = new Evaluator(sets);
  const probes = new Map<number, Probe>();
  // From the end: of a rule's spellings the last is the one that the kernel sees.
  for (const entry of set.paths.toReversed()) {
    if (probes.size >= MAX_PROBES) break;
    if (entry.effect !== 'deny' || entry.who === 'other' || entry.perms === 'm') continue;
    if (probes.has(entry.rule)) continue;
    const probe = entryProbe(draft, host, profile, entry, evaluator);
    if (probe !== undefined) probes.set(entry.rule, probe);
  }
  return [...probes.values()].reverse();
}

function entryProbe(
  draft: Draft,
  host: HostCapabilities,
  profile: string,
  entry: Placed,
  evaluator: Evaluator,
): Probe | undefined {
  const rule = draft.rules[entry.rule];
  const kind = kindOf(entry);
  const path = existingPath(entry.object, kind, host);
  if (rule === undefined || path === undefined) return undefined;
  const verdict = evaluator.path(path, kind.charAt(0) === 'e' ? 'x' : kind.charAt(0), 'owner');
  if (verdict.entry?.rule !== entry.rule) return undefined;
  return { kind, rule: { policy: rule.rule.policy, id: rule.rule.id }, profile, path };
}

function kindOf({ perms }: Placed): Probe['kind'] {
  if (perms.includes('x')) return 'exec';
  return perms.includes('r') ? 'read' : 'write';
}

function existingPath(
  object: PathObject,
  kind: Probe['kind'],
  host: HostCapabilities,
): string | undefined {
  if (host.existing === undefined) return object.type === 'exact' ? object.path : undefined;
  return host.existing({ kind, object: wished(object), matches: matcherOf(object) });
}

function wished(object: PathObject): ProbeWish['object'] {
  switch (object.type) {
    case 'exact':
      return { type: 'path', path: object.path };
    case 'execname':
      return object;
    case 'directory':
      return object;
    case 'pattern':
      return { type: 'pattern', prefix: prefixOf(object) };
  }
}
