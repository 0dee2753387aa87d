import type {
  Alert,
  ApiTokenView,
  ExceptionView,
  GroupView,
  JoinTokenView,
  NodeView,
  PolicyView,
  SuspensionView,
  UserView,
} from '#contracts';
import { UsageError } from '../output/errors.js';
import { age } from '../output/age.js';
import type { Column } from '../output/table.js';

/** A kind that `get`, `describe` and `delete` know: where it lives and how it is shown. */
export interface Kind {
  readonly singular: string;
  readonly plural: string;
  readonly words: readonly string[];
  readonly path: string;
  readonly columns: readonly Column<never>[];
  readonly nameOf: (row: never) => string;
  readonly deletable: boolean;
  /** Whether `-l` can choose among them. */
  readonly labelled: boolean;
  /** Whether they are found by a part of their names. */
  readonly searched: boolean;
  /** Fields that change by themselves as time goes on. */
  readonly ticking: readonly string[];
}

function kind<T>(
  [singular, plural, ...short]: readonly [string, string, ...string[]],
  nameOf: (row: T) => string,
  columns: readonly Column<T>[],
  { deletable = true, labelled = false, searched = false, ticking = [] as readonly string[] } = {},
): Kind {
  const words = [plural, singular, ...short];
  const can = { deletable, labelled, searched, ticking };
  return { singular, plural, words, path: `/v1/${plural}`, columns, nameOf, ...can };
}

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',') || '-';

const time = (iso: string): string => `${iso.slice(0, 19)}Z`;

const nodes = kind<NodeView>(
  ['node', 'nodes', 'vm', 'vms'],
  (node) => node.name,
  [
    { title: 'NAME', of: (node) => node.name, cut: 'middle' },
    {
      title: 'PHASE',
      of: (node) => node.phase,
      tone: (node) => ((node.revocation ?? node.cutOff ?? node.clone) ? 'red' : undefined),
    },
    {
      title: 'CONNECTED',
      of: (node) => (node.connected ? 'yes' : 'no'),
      tone: (node) => (node.connected ? 'green' : 'yellow'),
    },
    {
      title: 'ENFORCER',
      of: (node) => (node.simulated ? 'simulated' : (node.enforcer ?? '-')),
    },
    { title: 'POLICIES', of: (node) => String(node.policies) },
    { title: 'SEEN', of: (node) => age(node.asOf, Date.now()), ticks: true },
    { title: 'LABELS', of: (node) => labelsText(node.labels) },
  ],
  { labelled: true, searched: true, ticking: ['asOf'] },
);

const policies = kind<PolicyView>(
  ['policy', 'policies', 'hsp'],
  (policy) => policy.name,
  [
    { title: 'NAME', of: (policy) => policy.name, cut: 'middle' },
    { title: 'RULES', of: (policy) => String(policy.rules) },
    { title: 'NODES', of: (policy) => String(policy.selected) },
    { title: 'TIER', of: (policy) => policy.tier },
    {
      title: 'STATE',
      of: (policy) => (policy.paused ? 'paused' : 'active'),
      tone: (policy) => (policy.paused ? 'yellow' : undefined),
    },
    { title: 'AGE', of: (policy) => age(policy.appliedAt, Date.now()), ticks: true },
  ],
  { labelled: true, searched: true },
);

const groups = kind<GroupView>(
  ['group', 'groups'],
  (group) => group.name,
  [
    { title: 'NAME', of: (group) => group.name, cut: 'middle' },
    { title: 'MEMBERS', of: (group) => String(group.members) },
    { title: 'SELECTOR', of: (group) => JSON.stringify(group.selector) },
  ],
  { searched: true },
);

const tokens = kind<JoinTokenView>(['join-token', 'join-tokens', 'jt'], (token) => token.id, [
  { title: 'ID', of: (token) => token.id },
  { title: 'USES LEFT', of: (token) => `${token.usesLeft}/${token.uses}` },
  { title: 'EXPIRES', of: (token) => time(token.expiresAt) },
  { title: 'BOUND TO', of: boundText },
]);

/** What a token binds hosts to, in one column: ids must stay whole at 80 characters, `describe` shows all. */
function boundText({ labels, groups, cidrs, attest }: JoinTokenView): string {
  const proof = attest === undefined ? [] : [attest];
  const given = Object.keys(labels).length === 0 ? [] : [labelsText(labels)];
  const named = groups.map((group) => `group ${group}`);
  return [...proof, ...cidrs, ...named, ...given].join(' ') || '-';
}

const suspensions = kind<SuspensionView>(
  ['suspension', 'suspensions'],
  (suspension) => suspension.id,
  [
    { title: 'ID', of: (suspension) => suspension.id },
    { title: 'MODE', of: (suspension) => suspension.mode },
    { title: 'TARGET', of: (suspension) => targetText(suspension.target), cut: 'middle' },
    { title: 'UNTIL', of: (suspension) => time(suspension.until) },
    { title: 'REASON', of: (suspension) => suspension.reason },
  ],
);

export const exceptions = kind<ExceptionView>(
  ['exception', 'exceptions'],
  (exception) => exception.id,
  [
    { title: 'ID', of: (exception) => exception.id },
    { title: 'POLICY', of: (exception) => exception.policy, cut: 'middle' },
    { title: 'SELECTOR', of: (exception) => exception.selector },
    { title: 'UNTIL', of: (exception) => time(exception.until) },
    { title: 'REASON', of: (exception) => exception.reason },
  ],
);

const alerts = kind<Alert>(
  ['alert', 'alerts'],
  (alert) => alert.EventID,
  [
    { title: 'TIME', of: (alert) => alert.UpdatedTime.slice(0, 19) },
    { title: 'NODE', of: (alert) => alert.Node, cut: 'middle' },
    { title: 'ACTION', of: (alert) => alert.Action },
    { title: 'POLICY', of: (alert) => alert.PolicyName, cut: 'middle' },
    { title: 'SOURCE', of: (alert) => alert.Source, cut: 'middle' },
    { title: 'RESOURCE', of: (alert) => alert.Resource, cut: 'middle' },
  ],
  { deletable: false },
);

const users = kind<UserView>(['user', 'users'], (user) => user.name, [
  { title: 'NAME', of: (user) => user.name, cut: 'middle' },
  { title: 'ROLES', of: (user) => user.roles.join(',') },
  { title: 'SCOPE', of: (user) => user.selector ?? 'all hosts' },
  { title: 'MADE', of: (user) => time(user.at) },
  { title: 'BY', of: (user) => user.by, cut: 'middle' },
]);

const apiTokens = kind<ApiTokenView>(['api-token', 'api-tokens', 'at'], (token) => token.id, [
  { title: 'ID', of: (token) => token.id },
  { title: 'NAME', of: (token) => token.name, cut: 'middle' },
  { title: 'ROLES', of: (token) => token.roles.join(',') },
  { title: 'SCOPE', of: (token) => token.selector ?? 'all hosts' },
  { title: 'EXPIRES', of: (token) => time(token.expiresAt) },
  { title: 'LAST USED', of: (token) => (token.lastUsedAt ? time(token.lastUsedAt) : 'never') },
]);

export const KINDS: readonly Kind[] = [
  nodes,
  groups,
  policies,
  alerts,
  tokens,
  apiTokens,
  users,
  suspensions,
  exceptions,
];

/** The kind a user means; plural, singular and short forms. Throws UsageError that lists them. */
export function kindOf(word: string): Kind {
  const found = KINDS.find((known) => known.words.includes(word.toLowerCase()));
  if (found === undefined) {
    throw new UsageError(
      `"${word}" is not a kind: use ${KINDS.map((known) => known.plural).join(', ')}`,
    );
  }
  return found;
}

function targetText(target: SuspensionView['target']): string {
  if (target.all) return 'all hosts';
  return target.node === undefined ? `selector ${target.selector ?? ''}` : `node ${target.node}`;
}
