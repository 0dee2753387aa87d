/**
 * Key layout on etcd; written nowhere else. Values are JSON unless said otherwise.
 *
 * | key | value | writer | reader |
 * |---|---|---|---|
 * | policy/{name} | the policy as validated, and its mark of owner | apply, rollback, pause | fleet state |
 * | history/{name}/{version, 10 digits} | one version: document, by, at, change | the same transaction | history, rollback |
 * | group/{name} | named selector | apply, PUT groups | fleet state |
 * | node/{name} | labels, node id, keys' fingerprints, phase | enrol, label, vm add | fleet state |
 * | join/{id} | join token: hash, labels, quota, expiry | create, enrol (compare-and-swap) | enrol |
 * | key/{nodeId}/{purpose} | public keys of a host, sealed channel key an epoch | enrol, epoch change | bundles |
 * | signed/{kind}/{name} | newest document that authors signed, DSSE; labels by node id | signed apply | bundles |
 * | root/{version, 10 digits} | root document, DSSE | ceremony, `up` | bundles, enrol |
 * | revoke/{nodeId} | revocation | revoke | access, delivery |
 * | lease/replica-{id} | a replica that is there: id of the lease that the key is bound to, and where its store is | replicas | replicas |
 * | audit-log/head | newest entry of the audit log, whole | every change | audit log |
 * | audit-log/tail | entries before it that no disk may have yet, oldest first; absent where there are none | every change | audit log |
 * | meta/{name} | format version, epoch, hash of the admin token | start | start |
 * | meta/admin-token-ended/{hash} | hash of the one that took its place, text; stays for good | start | access |
 * | suspend/{id} | break-glass | breakglass | fleet state |
 * | exception/{policy}/{id} | exception with end | exception add | fleet state |
 * | redirect/{ms since 1970} | order to go to another control plane, DSSE by root keys, and who brought it | redirect | fleet state |
 * | user/{name} | local user: hashed secret, roles, scope | create user | access |
 * | token/{id} | API token or session: hash, roles, scope, expiry | create api-token, login | access |
 *
 * Not under the root, so that neither lists nor watches of it see them:
 * | /hostward/staged/v1/{id}{key} | body of a large value before and after its commit (ADR-0002), bytes | transact | resolve, sweep |
 * | /hostward/staging/v1/{id} | marker, bound to a lease: a commit of {id} is still possible | transact | sweep |
 * | /hostward/abort/v1/{n} | never exists: a conditional put of it aborts a transaction (ADR-0002) | nobody | nobody |
 */
const ROOT = '/hostward/v1/';

const padded = (version: number): string => version.toString().padStart(10, '0');

/** Builders and prefixes of all keys. */
export const etcdKeys = {
  root: ROOT,
  policies: `${ROOT}policy/`,
  policy: (name: string): string => `${ROOT}policy/${segment(name)}`,
  histories: `${ROOT}history/`,
  history: (name: string): string => `${ROOT}history/${segment(name)}/`,
  historyVersion: (name: string, version: number): string =>
    `${ROOT}history/${segment(name)}/${padded(version)}`,
  groups: `${ROOT}group/`,
  group: (name: string): string => `${ROOT}group/${segment(name)}`,
  nodes: `${ROOT}node/`,
  node: (name: string): string => `${ROOT}node/${segment(name)}`,
  joinTokens: `${ROOT}join/`,
  joinToken: (id: string): string => `${ROOT}join/${segment(id)}`,
  keys: `${ROOT}key/`,
  key: (nodeId: string, purpose: string): string =>
    `${ROOT}key/${segment(nodeId)}/${segment(purpose)}`,
  signed: `${ROOT}signed/`,
  signedDocument: (kind: string, name: string): string =>
    `${ROOT}signed/${segment(kind)}/${segment(name)}`,
  roots: `${ROOT}root/`,
  rootDocument: (version: number): string => `${ROOT}root/${padded(version)}`,
  revocations: `${ROOT}revoke/`,
  revocation: (nodeId: string): string => `${ROOT}revoke/${segment(nodeId)}`,
  leases: `${ROOT}lease/`,
  lease: (name: string): string => `${ROOT}lease/${segment(name)}`,
  auditLogs: `${ROOT}audit-log/`,
  auditLog: (name: string): string => `${ROOT}audit-log/${segment(name)}`,
  meta: (name: string): string => `${ROOT}meta/${segment(name)}`,
  endedAdminToken: (hash: string): string => `${ROOT}meta/admin-token-ended/${segment(hash)}`,
  suspensions: `${ROOT}suspend/`,
  suspension: (id: string): string => `${ROOT}suspend/${segment(id)}`,
  redirects: `${ROOT}redirect/`,
  redirect: (id: string): string => `${ROOT}redirect/${segment(id)}`,
  users: `${ROOT}user/`,
  user: (name: string): string => `${ROOT}user/${segment(name)}`,
  apiTokens: `${ROOT}token/`,
  apiToken: (id: string): string => `${ROOT}token/${segment(id)}`,
  exceptions: `${ROOT}exception/`,
  exception: (policy: string, id: string): string =>
    `${ROOT}exception/${segment(policy)}/${segment(id)}`,
} as const;

/** Keys that only libs/etcd touches. */
export const internalKeys = {
  staged: '/hostward/staged/v1/',
  stagedBody: (id: string, key: string): string => `/hostward/staged/v1/${id}${key}`,
  staging: (id: string): string => `/hostward/staging/v1/${id}`,
  abort: (index: number): string => `/hostward/abort/v1/${index}`,
} as const;

/** A name becomes one path segment: offboarding `web1` can never reach `web1/…` or `web10`. */
function segment(name: string): string {
  if (name !== '' && !/[/\u0000-\u001f]/.test(name)) return name;
  throw new TypeError(
    `${JSON.stringify(name)} is no key segment: it is empty, or holds a slash or control character`,
  );
}

/** First key after all that begin with `prefix`; keys are UTF-8, so 0xff never occurs in them. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
