import { isDeepStrictEqual } from 'node:util';
import type { SuspensionTarget } from '#bundle';
import { etcdKeys, type Write } from '#etcd';
import { groupOf, overridesProtection, parseSelector, tierOf } from '#policy-model';
import type { FleetState } from './fleet-state.js';
import { decodeGroup } from '../records/group.record.js';
import { ProblemError } from '../http/index.js';
import type { LedgerChange } from './ledger.js';
import { decodeJoinToken, isWithinScope } from '../records/join-token.record.js';
import { decodeNode } from '../records/node.record.js';
import { decodeException, type ExceptionRecord } from '../records/exception.record.js';
import { decodePolicy, type PolicyRecord } from '../records/policy.record.js';
import { decodeSuspension, type SuspensionRecord } from '../records/suspension.record.js';
import { suspensionSelector } from '../records/active-suspension.js';
import { goesWithHost } from './suspensions-of-host.js';
import { decodeApiToken } from '../records/api-token.record.js';
import type { Caller } from '../auth/caller.js';
import { wasEnded } from './ended-session.js';
import { rolesWith, type Permission } from '../auth/permission.js';

interface Checked {
  readonly caller: Caller;
  /** The whole fleet as it is before the change. */
  readonly state: FleetState;
  readonly change: LedgerChange;
  /** What is written in it. */
  readonly keys: ReadonlySet<string>;
  /** The policy of an exception comes and goes with it. */
  readonly excepting: boolean;
  readonly reach: Reach;
}

/** What privileged policies and suspensions name, by group: looked for once a change, and only where a group is changed. */
interface Reach {
  readonly policyOf: (group: string) => string | undefined;
  readonly isSuspended: (group: string) => boolean;
}

type Rule = (name: string, write: Write, checked: Checked) => void;

const RULES: readonly (readonly [prefix: string, rule: Rule])[] = [
  [etcdKeys.policies, checkPolicy],
  [etcdKeys.histories, checkHistory],
  [etcdKeys.groups, checkGroup],
  [etcdKeys.nodes, checkNode],
  [etcdKeys.keys, besideNode],
  [etcdKeys.revocations, checkRevocation],
  [etcdKeys.joinTokens, checkJoinToken],
  [etcdKeys.suspensions, checkSuspension],
  [etcdKeys.exceptions, checkException],
  [etcdKeys.signed, checkSigned],
  [etcdKeys.users, (_name, _write, { caller }) => need(caller, 'people:write')],
  [etcdKeys.apiTokens, checkToken],
];

/**
 * The last gate before etcd: looks at the very keys and values that are to be written, whatever route made them, and
 * throws 403 where the caller has not the permission, or where a host outside its scope would be touched now or later.
 * What no rule knows only an unscoped administrator may write.
 */
export function checkWrites(caller: Caller, state: FleetState, change: LedgerChange): void {
  const keys = new Set(change.then.map(({ key }) => key));
  const excepting = change.then.some(({ key }) => key.startsWith(etcdKeys.exceptions));
  const checked: Checked = { caller, state, change, keys, excepting, reach: reachOf(state) };
  for (const write of change.then) {
    if (state.unreadable.has(write.key)) checkUnread(caller, write.key);
    const found = RULES.find(([prefix]) => write.key.startsWith(prefix));
    if (!found) need(caller, 'people:write');
    else found[1](write.key.slice(found[0].length), write, checked);
  }
}

/** What cannot be read may be for any host, and a policy of any tier. */
function checkUnread(caller: Caller, key: string): void {
  if (caller.scope !== undefined) outside(caller, 'what cannot be read');
  if (key.startsWith(etcdKeys.policies)) need(caller, 'policies:privileged', 'what cannot be read');
}

function checkPolicy(name: string, write: Write, { caller, state, excepting }: Checked): void {
  const before = state.policies.get(name)?.record;
  const after = write.type === 'put' ? decodePolicy(bytesOf(write)) : undefined;
  need(caller, excepting ? 'exceptions:write' : 'policies:write');
  if (!excepting) checkPrivilege(caller, before, after);
  for (const document of [before?.document, after?.document]) {
    if (document && caller.scope?.contains(document.spec.nodeSelector) === false)
      outside(caller, `policy ${name} may select other hosts`);
  }
}

/**
 * Tiers above the normal one and the override of the control path are not an author's to give, nor is whether such a
 * policy is enforced.
 */
function checkPrivilege(caller: Caller, before?: PolicyRecord, after?: PolicyRecord): void {
  if (!isPrivileged(before) && !isPrivileged(after)) return;
  const isSame = isDeepStrictEqual(before?.document, after?.document);
  if (isSame && before?.paused === after?.paused) return;
  need(caller, 'policies:privileged');
}

function isPrivileged(record: PolicyRecord | undefined): boolean {
  const document = record?.document;
  return document !== undefined && (tierOf(document) !== 'normal' || overridesProtection(document));
}

function checkHistory(name: string, _write: Write, { caller, keys }: Checked): void {
  // The policy itself is written beside and checked by its own rule.
  if (!keys.has(etcdKeys.policy(name.split('/')[0] ?? ''))) need(caller, 'people:write');
}

function checkGroup(name: string, write: Write, { caller, state, reach }: Checked): void {
  need(caller, 'policies:write');
  const before = state.groups.get(name)?.record.document;
  const after = write.type === 'put' ? decodeGroup(bytesOf(write)).document : undefined;
  const isUnread = state.unreadable.has(etcdKeys.group(name));
  if (isUnread || !isDeepStrictEqual(before?.spec.selector, after?.spec.selector))
    checkReach(name, caller, reach);
  for (const document of [before, after]) {
    if (document && caller.scope?.contains(document.spec.selector) === false)
      outside(caller, `group ${name} may hold other hosts`);
  }
}

/**
 * What names a group reaches the hosts that the group says, so who changes the group changes what a policy does, also a
 * paused one, which is resumed on those, or a suspension. Policies of the same change have their own rule.
 */
function checkReach(group: string, caller: Caller, reach: Reach): void {
  const policy = reach.policyOf(group);
  if (policy !== undefined)
    need(caller, 'policies:privileged', `group ${group}, named by policy ${policy},`);
  if (reach.isSuspended(group))
    need(caller, 'suspensions:write', `group ${group}, for which enforcement is suspended,`);
}

function reachOf({ policies, suspensions }: FleetState): Reach {
  const privileged = once(
    () =>
      new Map(
        policies
          .sorted()
          .filter(({ record }) => isPrivileged(record))
          .map(({ name, record }) => [groupOf(record.document?.spec.nodeSelector), name]),
      ),
  );
  const suspended = once(
    () => new Set(suspensions.sorted().map(({ record }) => groupOf(suspensionSelector(record)))),
  );
  return {
    policyOf: (group) => privileged().get(group),
    isSuspended: (group) => suspended().has(group),
  };
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** A label change may neither take a host out of the scope nor bring one in. */
function checkNode(name: string, write: Write, { caller, state }: Checked): void {
  const before = state.nodes.get(name)?.record;
  const after = write.type === 'put' ? decodeNode(bytesOf(write)) : undefined;
  // Put back as it is beside what is about the host, so that nobody decides on it without knowing of that.
  if (before && isDeepStrictEqual(before, after)) return;
  need(caller, 'nodes:write');
  for (const record of [before, after]) {
    if (record && caller.scope?.has(record) === false) outside(caller, `host ${name}`);
  }
}

/**
 * A token lets hosts of the caller's scope in, and says so itself, since it is used when the caller is away. What one
 * deletes is not kept in memory; the route has looked it up.
 */
function checkJoinToken(_id: string, write: Write, { caller }: Checked): void {
  need(caller, 'join-tokens:write');
  if (write.type === 'delete' || caller.scope === undefined) return;
  const record = decodeJoinToken(bytesOf(write));
  if (record.scope === caller.scope.text && isWithinScope(record, caller.scope)) return;
  outside(caller, 'a join token with these labels');
}

/** A revocation names an identity: it is that of a host of the scope, or nobody's whom one could see. */
function checkRevocation(nodeId: string, _write: Write, { caller, state }: Checked): void {
  need(caller, 'nodes:write');
  const node = state.nodes.get(state.nameOf(nodeId) ?? '');
  if (caller.scope && !(node && caller.scope.has(node.record))) outside(caller, 'that identity');
}

/** Keys belong to a host that is written in the same change. */
function besideNode(_name: string, _write: Write, { caller, change }: Checked): void {
  const beside = change.then.some(({ key }) => key.startsWith(etcdKeys.nodes));
  need(caller, beside ? 'nodes:write' : 'people:write');
}

function checkSuspension(name: string, write: Write, { caller, state, change }: Checked): void {
  // Whoever may delete or rename the host is asked for that.
  if (goesWithHost(state, change.then, write)) return need(caller, 'nodes:write');
  need(caller, 'suspensions:write');
  const before = state.suspensions.get(name)?.record;
  const after = write.type === 'put' ? decodeSuspension(bytesOf(write)) : undefined;
  for (const record of [before, after]) {
    if (record && !suspensionWithin(caller, state, record))
      outside(caller, 'a suspension of hosts');
  }
}

function suspensionWithin({ scope }: Caller, state: FleetState, record: SuspensionRecord): boolean {
  if (scope === undefined) return true;
  const { node, selector } = record.target;
  if (node !== undefined) {
    const stored = state.nodes.get(node);
    return stored !== undefined && scope.has(stored.record);
  }
  return selector !== undefined && scope.contains(parseSelector(selector));
}

function checkException(name: string, write: Write, { caller, state }: Checked): void {
  need(caller, 'exceptions:write');
  const before = state.exceptions.get(name)?.record;
  const after = write.type === 'put' ? decodeException(bytesOf(write)) : undefined;
  for (const record of [before, after]) {
    if (record && caller.scope?.contains(parseSelector(record.selector)) === false)
      outside(caller, 'an exception of hosts');
  }
  if (after && !seesPolicy(caller, state, after)) outside(caller, 'an exception of hosts');
}

/** An exception shows what its policy says: who makes one must see that. Its end shows nothing. */
function seesPolicy({ scope }: Caller, state: FleetState, { policy }: ExceptionRecord): boolean {
  if (scope === undefined) return true;
  return [...state.index.nodesOf(policy)].some((node) => {
    const stored = state.nodes.get(node);
    return stored !== undefined && scope.has(stored.record);
  });
}

/** Throws 403 where a suspension that an author signed is for hosts outside of the caller's scope. */
export function checkSuspended(caller: Caller, state: FleetState, target: SuspensionTarget): void {
  const { scope } = caller;
  if (scope === undefined) return;
  const { nodeId, labels } = target;
  const node = nodeId === undefined ? undefined : state.nodes.get(state.nameOf(nodeId) ?? '');
  const isWithin = node
    ? scope.has(node.record)
    : labels !== undefined && scope.contains({ matchLabels: labels });
  if (!isWithin) outside(caller, 'a suspension of hosts');
}

/**
 * What is signed shows in the records beside it, which have rules of their own, but for a suspension, whose targets of
 * before and now were asked about by `checkSuspended`; the signature is its author's.
 */
function checkSigned(name: string, _write: Write, { caller }: Checked): void {
  if (name.startsWith('labels/')) need(caller, 'nodes:write');
  else need(caller, name.startsWith('suspension/') ? 'suspensions:write' : 'policies:write');
}

/** Everybody may give up the session that they hold. */
function checkToken(id: string, write: Write, { caller }: Checked): void {
  // A session is ended by a record too.
  const ends = write.type === 'delete' || wasEnded(decodeApiToken(bytesOf(write)));
  if (ends && id === caller.tokenId) return;
  need(caller, 'people:write');
}

/** Throws 403 unless the caller has the permission. */
function need(caller: Caller, permission: Permission, what = 'this'): void {
  if (caller.permissions.has(permission)) return;
  const roles = rolesWith(permission).join(' or ');
  const scoped =
    caller.scope === undefined ? '' : ` without a scope (yours is ${caller.scope.text})`;
  throw new ProblemError('not-permitted', {
    detail: `${what} needs the permission ${permission}, which the role ${roles} has${scoped}`,
  });
}

function outside({ scope }: Caller, what: string): never {
  throw new ProblemError('not-permitted', {
    detail: `${what} is outside your scope ${JSON.stringify(scope?.text)}`,
  });
}

function bytesOf(write: Write & { readonly type: 'put' }): Buffer {
  return Buffer.from(write.value);
}
