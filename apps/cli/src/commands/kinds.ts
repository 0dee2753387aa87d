import type {
  Alert,
  GroupView,
  JoinTokenView,
  NodeView,
  PolicyView,
  SuspensionView,
} from '#contracts';
import { UsageError } from '../errors.js';
import { age } from '../output/age.js';
import type { Column } from '../output/table.js';

/** A kind that `get`, `describe` and `delete` know: where it lives and how it is shown. */
export interface Kind {
  readonly plural: string;
  readonly words: readonly string[];
  readonly path: string;
  readonly columns: readonly Column<never>[];
  readonly nameOf: (row: never) => string;
  readonly deletable: boolean;
}

function kind<T>(
  plural: string,
  words: readonly string[],
  nameOf: (row: T) => string,
  columns: readonly Column<T>[],
  deletable = true,
): Kind {
  return {
    plural,
    words: [plural, ...words],
    path: `/v1/${plural}`,
    columns: columns,
    nameOf: nameOf,
    deletable,
  };
}

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

const nodes = kind<NodeView>('nodes', ['node', 'vm', 'vms'], (node) => node.name, [
  { title: 'NAME', of: (node) => node.name, shrinks: true },
  { title: 'PHASE', of: (node) => node.phase },
  {
    title: 'CONNECTED',
    of: (node) => (node.connected ? 'yes' : 'no'),
    tone: (node) => (node.connected ? 'green' : 'yellow'),
  },
  { title: 'ENFORCER', of: (node) => node.enforcer ?? '-' },
  { title: 'POLICIES', of: (node) => String(node.policies) },
  { title: 'SEEN', of: (node) => age(node.asOf, Date.now()) },
  { title: 'LABELS', of: (node) => labelsText(node.labels), shrinks: true },
]);

const policies = kind<PolicyView>('policies', ['policy', 'hsp'], (policy) => policy.name, [
  { title: 'NAME', of: (policy) => policy.name, shrinks: true },
  { title: 'RULES', of: (policy) => String(policy.rules) },
  { title: 'NODES', of: (policy) => String(policy.selected) },
  { title: 'TIER', of: (policy) => policy.tier },
  { title: 'STATE', of: (policy) => (policy.paused ? 'paused' : 'active') },
  { title: 'AGE', of: (policy) => age(policy.appliedAt, Date.now()) },
]);

const groups = kind<GroupView>('groups', ['group'], (group) => group.name, [
  { title: 'NAME', of: (group) => group.name },
  { title: 'MEMBERS', of: (group) => String(group.members) },
  { title: 'SELECTOR', of: (group) => JSON.stringify(group.selector), shrinks: true },
]);

const tokens = kind<JoinTokenView>('join-tokens', ['join-token', 'jt'], (token) => token.id, [
  { title: 'ID', of: (token) => token.id },
  { title: 'USES LEFT', of: (token) => `${token.usesLeft}/${token.uses}` },
  { title: 'EXPIRES', of: (token) => token.expiresAt },
  { title: 'LABELS', of: (token) => labelsText(token.labels), shrinks: true },
]);

const suspensions = kind<SuspensionView>(
  'suspensions',
  ['suspension'],
  (suspension) => suspension.id,
  [
    { title: 'ID', of: (suspension) => suspension.id },
    { title: 'MODE', of: (suspension) => suspension.mode },
    { title: 'TARGET', of: (suspension) => targetText(suspension.target), shrinks: true },
    { title: 'UNTIL', of: (suspension) => suspension.until },
    { title: 'REASON', of: (suspension) => suspension.reason, shrinks: true },
  ],
);

const alerts = kind<Alert>(
  'alerts',
  ['alert'],
  (alert) => alert.EventID,
  [
    { title: 'TIME', of: (alert) => alert.UpdatedTime.slice(0, 19) },
    { title: 'NODE', of: (alert) => alert.Node },
    { title: 'ACTION', of: (alert) => alert.Action },
    { title: 'POLICY', of: (alert) => alert.PolicyName, shrinks: true },
    { title: 'SOURCE', of: (alert) => alert.Source, shrinks: true },
    { title: 'RESOURCE', of: (alert) => alert.Resource, shrinks: true },
  ],
  false,
);

export const KINDS: readonly Kind[] = [nodes, groups, policies, alerts, tokens, suspensions];

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
