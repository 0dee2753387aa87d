import type { Line, Sighting } from '../history.js';
import type { Violation } from './violation.js';

/** A report counts for 35 s after it came and for 65 s after the kernel was read; the rest is for a slow machine. */
const REPORT_COUNTS_MS = 80_000;

/** What a host has had in force, and until when at the latest. */
interface Held {
  readonly sighting: Sighting;
  until: number;
}

/** What the control plane said of hosts, against what they had told before. */
export function checkStatus(lines: readonly Line[]): Violation[] {
  const held = new Map<string, Held[]>();
  return lines.flatMap((line, index) => {
    if (line.type === 'host') note(held, line, line.at);
    if (line.type === 'renewed') giveUp(held.get(line.node), line.at);
    if (line.type !== 'said') return [];
    const enforced = line.nodes.filter(({ state }) => state === 'enforced');
    return enforced.flatMap(({ node, generation }) => {
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
  });
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
