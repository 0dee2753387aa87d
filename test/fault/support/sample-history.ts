import type { Entry, Final, InForce, Line, Sighting, Unstamped } from '../history.js';

const hash = (seq: number): string => String(seq).repeat(64).slice(0, 64);

/** An entry of a chain that is as it should be. */
export function entry(seq: number): Entry {
  return { seq, action: `change ${seq}`, prev: hash(seq - 1), hash: hash(seq) };
}

export function sighting(node: string, revision: number, policies: InForce): Sighting {
  const order = [1, revision, 1_000 + revision] as const;
  const kernel = Object.entries(policies).sort().join(';');
  return { node, order, highest: order, fellBack: false, confirmed: true, policies, kernel };
}

const policy = (marker: string, over: object = {}) => ({
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

const node = (id: string, env = 'prod') => ({ labels: { env }, enrollment: { nodeId: id } });

/** A line that commits: the change, and the entry that comes with it. */
function committed(revision: number, seq: number, key: string, value?: unknown): Unstamped {
  const changes = [
    { key, value },
    { key: 'journal/head', value: entry(seq) },
  ];
  return { type: 'committed', revision, changes };
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
  journal: [1, 2, 3, 4, 5, 6].map(entry),
  alerts: [
    { node: 'h1', resource: '/denied/1' },
    { node: 'h2', resource: '/denied/2' },
  ],
};

/**
 * Two hosts join; `web` is applied; an apply of `db` is not answered and has happened; Redis fails over to one that has
 * less, and is emptied; at rest `db` is deleted and a third host is revoked. Everybody did as they should.
 */
export function goodHistory(): Line[] {
  const lines: Unstamped[] = [
    { type: 'invoke', op: 1, action: { kind: 'enrol', node: 'h1' } },
    committed(2, 1, 'node/h1', node('id1')),
    { type: 'ok', op: 1 },
    committed(3, 2, 'node/h2', node('id2')),
    committed(4, 3, 'node/h3', node('id3')),
    {
      type: 'invoke',
      op: 2,
      action: { kind: 'apply', policy: 'web', marker: '/m/1', labels: { env: 'prod' } },
    },
    committed(5, 4, 'policy/web', policy('/m/1')),
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
    committed(6, 5, 'policy/db', policy('/m/2')),
    { type: 'host', ...sighting('h2', 6, { web: 5, db: 6 }) },
    { type: 'denied', node: 'h1', resource: '/denied/1' },
    ...[offered('redis', 5), offered('redis', 6), offered('redis-b', 5)],
    { type: 'lost', redis: 'redis' },
    ...[offered('redis', 5), offered('redis', 8)],
    { type: 'lost', redis: 'redis-b', nodeId: 'id1' },
    offered('redis-b', 4),
    { type: 'rest' },
    { type: 'invoke', op: 4, action: { kind: 'delete', policy: 'db' } },
    {
      type: 'committed',
      revision: 8,
      changes: [
        { key: 'policy/db', value: policy('/m/2', { change: 'deleted', document: undefined }) },
        { key: 'revoke/id3', value: {} },
        { key: 'journal/head', value: entry(6) },
      ],
    },
    { type: 'ok', op: 4 },
    { type: 'denied', node: 'h2', resource: '/denied/2' },
    { type: 'host', ...sighting('h1', 8, web) },
    { type: 'host', ...sighting('h2', 8, web) },
    { type: 'quiet', final },
  ];
  return lines.map((line, index) => ({ at: index * 1_000, ...line }));
}

/** The same with its end changed. */
export function ending(over: Partial<Final>): Line[] {
  const changed = { ...final, ...over };
  return goodHistory().map((line) => (line.type === 'quiet' ? { ...line, final: changed } : line));
}

/** The same with lines put in before the end. */
export function withLines(...more: readonly Unstamped[]): Line[] {
  const lines = goodHistory();
  const stamped = more.map((line, index) => ({ at: 500_000 + index, ...line }));
  return [...lines.slice(0, -1), ...stamped, ...lines.slice(-1)];
}
