import type { Final, Line } from '../history.js';
import type { Commit, Truth } from '../truth.js';
import type { Violation } from './violation.js';

const START = '0'.repeat(64);

/** What is kept for ever: the journal, and the alerts. */
export function checkLedgers(lines: readonly Line[], truth: Truth): Violation[] {
  const end = lines.find((line) => line.type === 'quiet');
  if (end === undefined) return [];
  return [
    ...[...unjournalled(truth), ...chain(end.final), ...entries(end.final, truth)].map(
      (what): Violation => ({ rule: 'journal', at: 0, what }),
    ),
    ...alerts(lines, end.final, truth).map((what): Violation => ({ rule: 'alerts', at: 0, what })),
  ];
}

const changesSomething = ({ policies, nodes, suspensions, revoked }: Commit): boolean =>
  policies.size + nodes.size + suspensions.size + revoked.length > 0;

/** A change and its entry are one transaction. */
function unjournalled({ commits }: Truth): string[] {
  return commits.flatMap((commit) =>
    changesSomething(commit) && commit.entry === undefined
      ? [`revision ${commit.revision} changed something and brought no entry`]
      : [],
  );
}

function chain({ journal }: Final): string[] {
  return journal.flatMap(({ seq, prev }, index) => {
    const before = journal[index - 1];
    if (seq !== index + 1) return [`entry ${index + 1} of the journal is missing or doubled`];
    return prev === (before?.hash ?? START) ? [] : [`entry ${seq} does not follow ${seq - 1}`];
  });
}

/** Every entry that etcd ever held as the newest is stored. */
function entries({ journal }: Final, { commits }: Truth): string[] {
  const stored = new Set(journal.map(({ hash }) => hash));
  return commits.flatMap(({ entry, revision }) =>
    entry === undefined || stored.has(entry.hash)
      ? []
      : [`entry ${entry.seq} (${entry.action}) of revision ${revision} is not in the journal`],
  );
}

/** Of a machine that was revoked or replaced meanwhile some may be missing: its events are not read any more. */
function alerts(lines: readonly Line[], { alerts: stored }: Final, truth: Truth): string[] {
  const counts = new Map<string, number>();
  const name = (each: { node: string; resource: string }): string =>
    `${each.node} ${each.resource}`;
  for (const alert of stored) counts.set(name(alert), (counts.get(name(alert)) ?? 0) + 1);
  const denied = lines.flatMap((line) => (line.type === 'denied' ? [line] : []));
  const live = new Set(truth.live());
  const renewed = new Map(
    lines.flatMap((line, at) => (line.type === 'renewed' ? [[line.node, at] as const] : [])),
  );
  const ofMachines = lines.flatMap((line, at) =>
    line.type === 'denied' && at > (renewed.get(line.node) ?? -1) ? [line] : [],
  );
  const lost = ofMachines
    .filter((each) => live.has(each.node) && !counts.has(name(each)))
    .map((each) => `the denial ${name(each)} is lost`);
  const doubled = [...counts]
    .filter(([, count]) => count > 1)
    .map(([each, count]) => `the denial ${each} is in the store ${count} times`);
  const known = new Set(denied.map(name));
  const invented = [...counts.keys()]
    .filter((each) => !known.has(each))
    .map((each) => `the store has the denial ${each}, which never happened`);
  return [...lost, ...doubled, ...invented];
}
