import { AUDIT_LOG_START, auditLogEntry, type AuditLogEntry } from '#bundle';
import { check } from '../checker.js';
import type { Rule } from '../checks/violation.js';
import type {
  Action,
  Change,
  Final,
  InForce,
  Labels,
  Line,
  Sighting,
  SuspendMode,
  Unstamped,
} from '../history.js';

const HEAD = 'audit-log/head';

/** What an entry says of a change. */
type Told = Pick<AuditLogEntry, 'action' | 'object'>;

/** The next entry of a chain that is as it should be. */
function entryAfter(before: AuditLogEntry | undefined, { action, object }: Told): AuditLogEntry {
  const { seq, hash } = before ?? AUDIT_LOG_START;
  return auditLogEntry({
    ...{ v: 1, seq: seq + 1, time: '2026-01-01T00:00:00.000Z', actor: 'admin', source: '' },
    ...{ action, object, revision: String(seq), outcome: 'done', detail: {}, prev: hash },
  });
}

export function sighting(node: string, revision: number, policies: InForce): Sighting {
  const order = [1, revision, 1_000 + revision] as const;
  const kernel = Object.entries(policies).sort().join(';');
  return { node, order, highest: order, fellBack: false, confirmed: true, policies, kernel };
}

export const policy = (marker: string, over: object = {}) => ({
  change: 'created',
  paused: false,
  document: {
    spec: {
      nodeSelector: { matchLabels: { env: 'prod' } },
      process: { matchPaths: [{ path: marker }] },
    },
  },
  ...over,
});

export const node = (nodeId?: string, labels: Labels = { env: 'prod' }) => ({
  labels,
  ...(nodeId !== undefined && { enrollment: { nodeId } }),
});

/** A line that commits: what its entry says, and the changes. */
export function commit(
  revision: number,
  action: string,
  object: string,
  ...changes: readonly Change[]
): Unstamped {
  const told: Told = { action, object };
  return { type: 'committed', revision, changes: [...changes, { key: HEAD, value: told }] };
}

function offered(redis: string, revision: number): Unstamped {
  return { type: 'offered', redis, nodeId: 'id1', order: [1, revision, 1_000 + revision] };
}

const web: InForce = { web: 5 };
const final: Final = {
  policies: [
    {
      policy: 'web',
      revision: 5,
      nodes: [
        { node: 'h1', state: 'enforced', generation: 5 },
        { node: 'h2', state: 'enforced', generation: 8 },
      ],
    },
  ],
  hosts: [sighting('h1', 8, web), sighting('h2', 8, web)],
  auditLog: [],
  alerts: [
    { node: 'h1', resource: '/denied/1' },
    { node: 'h2', resource: '/denied/2' },
  ],
};

/**
 * Two hosts join; `web` is applied; an apply of `db` is not answered and has happened; Redis fails over to one that has
 * less, and is emptied; a third host is revoked; at rest `db` is deleted. Everybody did as they should.
 */
export function goodHistory(): Line[] {
  return journalled(unjournalled());
}

function unjournalled(): Line[] {
  const lines: Unstamped[] = [
    { type: 'invoke', op: 1, action: { kind: 'enrol', node: 'h1' } },
    commit(2, 'node.enrolled', 'h1', { key: 'node/h1', value: node('id1') }),
    { type: 'ok', op: 1 },
    { type: 'invoke', op: 5, action: { kind: 'enrol', node: 'h2' } },
    commit(3, 'node.enrolled', 'h2', { key: 'node/h2', value: node('id2') }),
    { type: 'ok', op: 5 },
    { type: 'invoke', op: 6, action: { kind: 'enrol', node: 'h3' } },
    commit(4, 'node.enrolled', 'h3', { key: 'node/h3', value: node('id3') }),
    { type: 'ok', op: 6 },
    {
      type: 'invoke',
      op: 2,
      action: { kind: 'apply', policy: 'web', marker: '/m/1', labels: { env: 'prod' } },
    },
    commit(5, 'apply', '1 documents', { key: 'policy/web', value: policy('/m/1') }),
    { type: 'ok', op: 2, revision: 5 },
    { type: 'host', ...sighting('h1', 5, web) },
    { type: 'host', ...sighting('h2', 5, web) },
    { type: 'host', ...sighting('h3', 5, web) },
    {
      type: 'said',
      policy: 'web',
      revision: 5,
      nodes: [{ node: 'h1', state: 'enforced', generation: 5 }],
    },
    {
      type: 'invoke',
      op: 3,
      action: { kind: 'apply', policy: 'db', marker: '/m/2', labels: { env: 'prod' } },
    },
    { type: 'unknown', op: 3, why: 'cut' },
    commit(6, 'apply', '1 documents', { key: 'policy/db', value: policy('/m/2') }),
    { type: 'host', ...sighting('h2', 6, { web: 5, db: 6 }) },
    { type: 'denied', node: 'h1', resource: '/denied/1' },
    ...[offered('redis', 5), offered('redis', 6), offered('redis-b', 5)],
    { type: 'lost', redis: 'redis' },
    ...[offered('redis', 5), offered('redis', 8)],
    { type: 'lost', redis: 'redis-b', nodeId: 'id1' },
    offered('redis-b', 4),
    { type: 'invoke', op: 7, action: { kind: 'revoke', node: 'h3' } },
    commit(7, 'node.revoked', 'h3', { key: 'revoke/id3', value: {} }),
    { type: 'ok', op: 7 },
    { type: 'rest' },
    { type: 'invoke', op: 4, action: { kind: 'delete', policy: 'db' } },
    commit(8, 'policy.deleted', 'db', {
      key: 'policy/db',
      value: policy('/m/2', { change: 'deleted', document: undefined }),
    }),
    { type: 'ok', op: 4 },
    { type: 'denied', node: 'h2', resource: '/denied/2' },
    { type: 'host', ...sighting('h1', 8, web) },
    { type: 'host', ...sighting('h2', 8, web) },
    { type: 'quiet', final },
  ];
  return lines.map((line, index) => ({ at: index * 1_000, ...line }));
}

/** Each change brings the next entry of one chain, and all of them are stored. */
function journalled(lines: readonly Line[]): Line[] {
  const auditLog: AuditLogEntry[] = [];
  const withEntry = (change: Change): Change => {
    if (change.key !== HEAD) return change;
    const value = entryAfter(auditLog.at(-1), change.value as Told);
    auditLog.push(value);
    return { ...change, value };
  };
  const chained = lines.map((line) =>
    line.type === 'committed' ? { ...line, changes: line.changes.map(withEntry) } : line,
  );
  return endingIn(chained, { auditLog });
}

/** The same with another end. */
function endingIn(history: readonly Line[], over: Partial<Final>): Line[] {
  return history.map((line) =>
    line.type === 'quiet' ? { ...line, final: { ...line.final, ...over } } : line,
  );
}

/** The good one with another end. */
export function ending(over: Partial<Final>): Line[] {
  return endingIn(goodHistory(), over);
}

/** The good one with lines put in before the end. */
export function withLines(...more: readonly Unstamped[]): Line[] {
  const lines = unjournalled();
  const stamped = more.map((line, index) => ({ at: 500_000 + index, ...line }));
  return journalled([...lines.slice(0, -1), ...stamped, ...lines.slice(-1)]);
}

/** Both. */
export function withEnd(over: Partial<Final>, ...more: readonly Unstamped[]): Line[] {
  return endingIn(withLines(...more), over);
}

/** What was asked and answered, with what it did. */
export function done(op: number, action: Action, ...lines: readonly Unstamped[]): Unstamped[] {
  return [{ type: 'invoke', op, action }, ...lines, { type: 'ok', op }];
}

/** The machine of h1 is revoked, the name waits. */
export const givenUp: readonly Unstamped[] = done(
  20,
  { kind: 'replace', node: 'h1' },
  commit(
    9,
    'node.replaced',
    'h1',
    { key: 'node/h1', value: node() },
    { key: 'revoke/id1', value: {} },
  ),
);

/** Another one has it. */
export const taken: readonly Unstamped[] = done(
  21,
  { kind: 'enrol', node: 'h1' },
  { type: 'renewed', node: 'h1' },
  commit(10, 'node.enrolled', 'h1', { key: 'node/h1', value: node('id4') }),
);

/** Some hosts are let off. */
export function letOff(revision: number, mode: SuspendMode = 'off'): Unstamped[] {
  const [reason, labels] = ['outage', { env: 'prod' }];
  const value = { reason, mode, target: { selector: 'env=prod' } };
  return done(
    30,
    { kind: 'suspend', reason, target: { labels }, mode },
    commit(revision, 'suspension.created', 's1', { key: 'suspend/s1', value }),
  );
}

/** By which rules a history is wrong, each once. */
export function broken(history: readonly Line[]): readonly Rule[] {
  return [...new Set(check(history).map(({ rule }) => rule))];
}
