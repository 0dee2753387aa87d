import type { Line } from '../history.js';
import type { Commit, Truth } from '../truth.js';
import { namesOf } from './hosts.js';
import type { Violation } from './violation.js';

/** Half of the shortest time after which a host looks without being told to, and many times what a nudge takes. */
export const PROMPT_MS = 5_500;

/** What was asked when nothing was broken any more. */
export function checkRest(lines: readonly Line[], truth: Truth): Violation[] {
  const rest = lines.findIndex(({ type }) => type === 'rest');
  if (rest === -1) return [];
  return [
    ...unanswered(lines, rest),
    ...truth.commits.filter(({ at }) => at > rest).flatMap((commit) => slow(commit, lines, truth)),
  ];
}

/** An etcd that changes its leader does not say whether it wrote, and may on a busy machine: who asks again is answered. */
function unanswered(lines: readonly Line[], rest: number): Violation[] {
  const asked = new Map<number, string>();
  const ends = new Map<string, Violation | undefined>();
  for (const [index, line] of lines.entries()) {
    if (index <= rest) continue;
    if (line.type === 'invoke') asked.set(line.op, JSON.stringify(line.action));
    if (line.type === 'ok') ends.set(asked.get(line.op) ?? '', undefined);
    if (line.type === 'fail' || line.type === 'unknown') {
      const what = `operation ${line.op} was not answered as it should be: ${line.why}`;
      ends.set(asked.get(line.op) ?? '', late(index, what));
    }
  }
  return [...ends.values()].filter((end) => end !== undefined);
}

const late = (index: number, what: string): Violation => ({ rule: 'prompt', at: index + 1, what });

function slow({ revision, at }: Commit, lines: readonly Line[], truth: Truth): Violation[] {
  const wanted = (node: string, when: number): string => namesOf(truth.wantedAt(node, when) ?? {});
  return truth.live().flatMap((node) => {
    if (wanted(node, revision) === wanted(node, revision - 1)) return [];
    const seen = lines.find(
      (line) => line.type === 'host' && line.node === node && (line.order?.[1] ?? 0) >= revision,
    );
    if (seen === undefined) return [late(at, `${node} was not given revision ${revision}`)];
    const afterMs = seen.at - (lines[at]?.at ?? 0);
    if (afterMs <= PROMPT_MS) return [];
    return [late(at, `${node} had revision ${revision} after ${afterMs} ms`)];
  });
}
