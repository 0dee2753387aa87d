import { isDeepStrictEqual } from 'node:util';
import type { ApplyDocument, ApplyVerdict } from '#contracts';
import { groupOf, type PolicySelector } from '#policy-model';
import type { FleetState } from '../fleet/fleet-state.js';

/**
 * Names of the policies in force that groups and hosts of a set bring to hosts, beside those of the set itself: who waits
 * for the set waits for these too. Undefined where there are none.
 */
export function affectedPolicies(
  documents: readonly ApplyDocument[],
  state: FleetState,
): readonly string[] | undefined {
  const hosts = written(documents, 'KubeArmorVirtualMachine').flatMap((host) =>
    state.activePolicies(host),
  );
  const found = [...hosts, ...namingAny(written(documents, 'Group'), state)];
  const names = new Set(found.map(({ record }) => record.name));
  for (const name of written(documents, 'KubeArmorHostPolicy')) names.delete(name);
  const held = [...names].filter((name) => state.index.countOf(name) > 0);
  return held.length > 0 ? held.sort() : undefined;
}

/** What the fleet had of what a set is about to write. */
export interface Held {
  /** Of the policies of the set that are in force and select hosts. */
  readonly selectors: ReadonlyMap<string, PolicySelector | undefined>;
  /** Names of the policies that hosts have by its groups. */
  readonly byGroups: readonly string[];
  /** Names of the policies of its hosts, by host. */
  readonly onHosts: ReadonlyMap<string, readonly string[]>;
}

/** To be looked at before a set is written. */
export function heldBefore(documents: readonly ApplyDocument[], state: FleetState): Held {
  const selectors = written(documents, 'KubeArmorHostPolicy').flatMap((name) => {
    const { document, paused } = state.policies.get(name)?.record ?? {};
    const isHeld = document !== undefined && !paused && state.index.countOf(name) > 0;
    return isHeld ? [[name, document.spec.nodeSelector] as const] : [];
  });
  const groups = [...written(documents, 'Group'), ...named(documents, 'Group', ['pruned'])];
  return {
    selectors: new Map(selectors),
    byGroups: namingAny(groups, state)
      .map(({ record }) => record.name)
      .filter((name) => state.index.countOf(name) > 0),
    onHosts: new Map(
      written(documents, 'KubeArmorVirtualMachine').map((host) => [host, activeOn(host, state)]),
    ),
  };
}

/**
 * Names of the policies in force of which a set that was written may have taken hosts, by another selector, by its groups
 * and by its hosts: who waits for the set waits until those hosts have let go of them. Undefined where there are none.
 */
export function lostPolicies(
  { selectors, byGroups, onHosts }: Held,
  after: FleetState,
): readonly string[] | undefined {
  const moved = [...selectors].filter(([name, before]) => {
    const now = after.policies.get(name)?.record.document?.spec.nodeSelector;
    return !isDeepStrictEqual(now, before);
  });
  const left = [...onHosts].flatMap(([host, before]) => {
    const now = new Set(activeOn(host, after));
    return before.filter((name) => !now.has(name));
  });
  const lost = new Set([...moved.map(([name]) => name), ...byGroups, ...left]);
  return lost.size > 0 ? [...lost].sort() : undefined;
}

function written(documents: readonly ApplyDocument[], kind: string): readonly string[] {
  return named(documents, kind, ['created', 'configured']);
}

function named(
  documents: readonly ApplyDocument[],
  kind: string,
  verdicts: readonly ApplyVerdict[],
): readonly string[] {
  return documents.flatMap((each) =>
    each.kind === kind && verdicts.includes(each.verdict) ? [each.name] : [],
  );
}

function activeOn(host: string, state: FleetState): readonly string[] {
  return state.activePolicies(host).map(({ record }) => record.name);
}

function namingAny(names: readonly string[], { policies }: FleetState) {
  if (names.length === 0) return [];
  const groups = new Set(names);
  return policies.sorted().filter(({ record: { document, paused } }) => {
    const group = groupOf(document?.spec.nodeSelector);
    return !paused && group !== undefined && groups.has(group);
  });
}
