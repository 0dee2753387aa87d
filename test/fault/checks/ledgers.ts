import { auditLogEntry, AUDIT_LOG_START, type AuditLogEntry } from '#bundle';
import type { Final, Line } from '../history.js';
import type { Commit, Truth } from '../truth.js';
import { changeOf, isApply } from './asked.js';
import type { Violation } from './violation.js';

/** What is kept for ever: the audit log, and the alerts. */
export function checkLedgers(lines: readonly Line[], truth: Truth): Violation[] {
  const end = lines.find((line) => line.type === 'quiet');
  if (end === undefined) return [];
  return [
    ...[...unjournalled(truth), ...chain(end.final), ...entries(end.final, truth)].map(
      (what): Violation => ({ rule: 'auditLog', at: 0, what }),
    ),
    ...alerts(lines, end.final, truth).map((what): Violation => ({ rule: 'alerts', at: 0, what })),
  ];
}

const changesSomething = ({ policies, nodes, suspensions, revoked }: Commit): boolean =>
  policies.size + nodes.size + suspensions.size + revoked.length > 0;

/** A change and its entry, which says what it was, are one transaction. */
function unjournalled(truth: Truth): string[] {
  return truth.commits.flatMap((commit) => {
    const { entry, revision } = commit;
    if (entry === undefined)
      return changesSomething(commit)
        ? [`revision ${revision} changed something and brought no entry`]
        : [];
    if (!isItself(entry)) return [`entry ${entry.seq} is not what its hash was made of`];
    const { action, object } = entry;
    const says = action === APPLY ? action : `${action} ${object}`;
    const missing = toldOf(commit, truth).filter((each) => each !== says);
    return missing.map((each) => `revision ${revision} is ${each}; its entry says ${says}`);
  });
}

/** By the product's own way to make one. */
function isItself({ hash, ...content }: AuditLogEntry): boolean {
  return auditLogEntry(content).hash === hash;
}

const APPLY = 'apply';
const TOLD_AS = {
  enrol: 'node.enrolled',
  label: 'node.labelled',
  replace: 'node.replaced',
  offboarding: 'node.offboarded',
  'another identity': 'node.enrolled',
} as const;

/** What is to be said of a change; of what the control plane notes of a host by itself nothing in particular. */
function toldOf(commit: Commit, truth: Truth): readonly string[] {
  const hosts = [...commit.nodes].flatMap(([name, now]) => {
    const how = changeOf(truth.nodeAt(name, commit.revision - 1), now);
    return how === undefined ? [] : [`${TOLD_AS[how]} ${name}`];
  });
  const policies = [...commit.policies].map(([name, version]) =>
    isApply(version) ? APPLY : `policy.${version.change} ${name}`,
  );
  if (hosts.some((each) => GO_WITH_IT.some((kind) => each.startsWith(kind))))
    return [...hosts, ...policies];
  const revoked = commit.revoked.map((id) => `node.revoked ${truth.nameOf(id) ?? id}`);
  const suspensions = [...commit.suspensions].map(
    ([id, now]) => `suspension.${now === undefined ? 'ended' : 'created'} ${id}`,
  );
  return [...hosts, ...policies, ...revoked, ...suspensions];
}

/** With the machine its identity goes, and what break-glass it had. */
const GO_WITH_IT = [TOLD_AS.replace, TOLD_AS.offboarding];

function chain({ auditLog }: Final): string[] {
  return auditLog.flatMap((entry, index) => {
    const { seq, prev } = entry;
    const before = auditLog[index - 1] ?? AUDIT_LOG_START;
    if (seq !== index + 1) return [`entry ${index + 1} of the audit log is missing or doubled`];
    if (prev !== before.hash) return [`entry ${seq} does not follow ${seq - 1}`];
    return isItself(entry) ? [] : [`entry ${seq} as stored is not what its hash was made of`];
  });
}

/** Every entry that etcd ever held as the newest is stored. */
function entries({ auditLog }: Final, { commits }: Truth): string[] {
  const stored = new Set(auditLog.map(({ hash }) => hash));
  return commits.flatMap(({ entry, revision }) =>
    entry === undefined || stored.has(entry.hash)
      ? []
      : [`entry ${entry.seq} (${entry.action}) of revision ${revision} is not in the audit log`],
  );
}

/**
 * Of a machine that was revoked or replaced meanwhile some may be missing, since its events are not read any more; not
 * those that were seen in the store.
 */
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
  const seen = lines.flatMap((line) => (line.type === 'stored' ? [name(line)] : []));
  const gone = seen
    .filter((each) => !counts.has(each))
    .map((each) => `the denial ${each} was in the store, and is not any more`);
  const doubled = [...counts]
    .filter(([, count]) => count > 1)
    .map(([each, count]) => `the denial ${each} is in the store ${count} times`);
  const known = new Set(denied.map(name));
  const invented = [...counts.keys()]
    .filter((each) => !known.has(each))
    .map((each) => `the store has the denial ${each}, which never happened`);
  return [...lost, ...gone, ...doubled, ...invented];
}
