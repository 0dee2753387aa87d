import type { Line, Said, Sighting } from '../history.js';
import type { Truth } from '../truth.js';
import { Bounds } from './bounds.js';
import { operationsOf } from './operation.js';
import type { Violation } from './violation.js';

/** A report counts for 35 s after it came and for 65 s after the kernel was read; the rest is for a slow machine. */
const REPORT_COUNTS_MS = 80_000;

/** What a host has had in force, and until when at the latest. */
interface Held {
  readonly sighting: Sighting;
  until: number;
}

/** What the control plane said of hosts, against what they had told before. */
export function checkStatus(lines: readonly Line[], truth: Truth): Violation[] {
  const held = new Map<string, Held[]>();
  const bounds = new Bounds(operationsOf(lines), truth);
  return lines.flatMap((line, index) => {
    if (line.type === 'host') note(held, line, line.at);
    if (line.type === 'renewed') giveUp(held.get(line.node), line.at);
    if (line.type !== 'said') return [];
    const enforced = line.nodes.filter(({ state }) => state === 'enforced');
    const ofAll = line.everywhere === true ? everywhere(line, bounds.highest(index), truth) : [];
    const ofEach = enforced.flatMap(({ node, generation }) => {
      const had = (held.get(node) ?? []).filter(
        ({ sighting }) =>
          sighting.policies[line.policy] === line.revision &&
          sighting.suspended === undefined &&
          (generation === undefined || sighting.order?.[1] === generation),
      );
      const name = `${line.policy}@${line.revision} of generation ${generation ?? '?'}`;
      if (had.length === 0)
        return [said(index, `enforced was said of ${name} on ${node}, which never had it`)];
      if (had.every(({ until }) => line.at - until > REPORT_COUNTS_MS))
        return [said(index, `enforced was said of ${name} on ${node}, which gave it up long ago`)];
      return [];
    });
    return [...ofAll.map((what) => said(index, what)), ...ofEach];
  });
}

/**
 * It is of some hosts, which all enforce it; and of each that was selected all the time in which it can have been so: no
 * earlier than its version was committed, no later than `highest`.
 */
function everywhere(
  { policy, revision, nodes }: Said,
  highest: number,
  truth: Truth,
): readonly string[] {
  const what = `enforced everywhere was said of ${policy}@${revision}`;
  if (nodes.length === 0) return [`${what}, which no host has`];
  const weak = nodes.filter(({ state }) => state !== 'enforced');
  const missing = truth
    .selectedThroughout(policy, revision, highest)
    .filter((name) => !nodes.some(({ node }) => node === name));
  return [
    ...weak.map(({ node, state }) => `${what}, which is ${state} on ${node}`),
    ...missing.map((node) => `${what}, and nothing of ${node}`),
  ];
}

function said(index: number, what: string): Violation {
  return { rule: 'said', at: index + 1, what };
}

function note(held: Map<string, Held[]>, sighting: Sighting, at: number): void {
  const list = held.get(sighting.node) ?? [];
  giveUp(list, at);
  list.push({ sighting, until: Infinity });
  held.set(sighting.node, list);
}

function giveUp(list: readonly Held[] | undefined, at: number): void {
  const last = list?.at(-1);
  if (last) last.until = Math.min(last.until, at);
}
