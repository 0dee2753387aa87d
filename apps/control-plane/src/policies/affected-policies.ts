import { isDeepStrictEqual } from 'node:util';
import type { ApplyDocument, ApplyVerdict } from '#contracts';
import { groupOf, type PolicySelector } from '#policy-model';
import type { FleetState } from '../store/fleet-state.js';

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
  /** Of the policies of the set that are in force. */
  readonly selectors: ReadonlyMap<string, PolicySelector>;
  /** Names of the members of its groups, by group. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
  /** Names of the policies of its hosts, by host. */
  readonly onHosts: ReadonlyMap<string, readonly string[]>;
}

/** To be looked at before a set is written. */
export function heldBefore(documents: readonly ApplyDocument[], state: FleetState): Held {
  const selectors = written(documents, 'KubeArmorHostPolicy').flatMap((name) => {
    const isPaused = state.policies.get(name)?.record.paused;
    const selector = isPaused ? undefined : selectorOf(name, state);
    return selector === undefined ? [] : [[name, selector] as const];
  });
  const groups = named(documents, 'Group', ['created', 'configured', 'pruned']);
  const hosts = written(documents, 'KubeArmorVirtualMachine');
  return {
    selectors: new Map(selectors),
    members: new Map(groups.map((group) => [group, state.index.membersOf(group)])),
    onHosts: new Map(hosts.map((host) => [host, activeOn(host, state)])),
  };
}

/**
 * Names of the policies of which a set that was written took hosts, by another selector, by its groups and by its hosts:
 * who waits for the set waits until those hosts have let go of them. Undefined where there are none.
 */
export function lostPolicies(
  { selectors, members, onHosts }: Held,
  after: FleetState,
): readonly string[] | undefined {
  const { index } = after;
  const isLost = ([name, before]: Chosen): boolean =>
    [...index.nodesBy(before, members)].some((host) => !index.selects(name, host));
  const moved = [...selectors].filter(
    ([name, before]) => !isDeepStrictEqual(selectorOf(name, after), before),
  );
  const ofGroups = namingAny([...members.keys()], after).flatMap(
    ({ record: { name } }): Chosen[] => {
      const selector = selectorOf(name, after);
      return selector ? [[name, selector]] : [];
    },
  );
  const chosen = [...moved, ...ofGroups];
  const left = [...onHosts].flatMap(([host, before]) => {
    const now = new Set(activeOn(host, after));
    return before.filter((name) => !now.has(name));
  });
  const lost = new Set([
    ...(chosen.length > LOOKED_AT ? chosen : chosen.filter(isLost)).map(([name]) => name),
    ...left,
  ]);
  return lost.size > 0 ? [...lost].sort() : undefined;
}

type Chosen = readonly [policy: string, selector: PolicySelector];

/** To look at one costs its hosts: of more than so many all are taken for lost, and whoever asks finds out. */
const LOOKED_AT = 200;

function selectorOf(policy: string, { policies }: FleetState): PolicySelector | undefined {
  return policies.get(policy)?.record.document?.spec.nodeSelector;
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
