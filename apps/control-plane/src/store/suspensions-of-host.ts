import { etcdKeys, type Condition, type Write } from '#etcd';
import type { FleetState } from './fleet-state.js';
import type { SuspensionRecord } from '../records/suspension.record.js';

/** What becomes of suspensions of one host when its machine goes or its name changes, as part of that change. */
export interface SuspensionsChange {
  readonly if: readonly Condition[];
  readonly then: readonly Write[];
  /** Their ids, for the audit log; undefined where there are none. */
  readonly ids: readonly string[] | undefined;
}

/** They were for the machine that had the name: the next one is not to come up with enforcement off. */
export function ended(state: FleetState, node: string): SuspensionsChange {
  return changed(state, node, (key) => ({ type: 'delete', key }));
}

/** They stay with the machine. */
export function renamed(state: FleetState, node: string, to: string): SuspensionsChange {
  return changed(state, node, (key, record) => ({
    type: 'put',
    key,
    value: JSON.stringify({ ...record, target: { node: to } }),
  }));
}

/** Whether a write of a suspension of one host is part of a change of that host itself. */
export function goesWithHost(
  { suspensions }: FleetState,
  then: readonly Write[],
  { key }: Write,
): boolean {
  if (!key.startsWith(etcdKeys.suspensions)) return false;
  const node = suspensions.get(key.slice(etcdKeys.suspensions.length))?.record.target.node;
  return node !== undefined && then.some((write) => write.key === etcdKeys.node(node));
}

function changed(
  { index, suspensions }: FleetState,
  node: string,
  write: (key: string, record: SuspensionRecord) => Write,
): SuspensionsChange {
  const own = [...index.suspensionsOf(node)]
    .flatMap((id) => suspensions.get(id) ?? [])
    .filter(({ record }) => record.target.node === node);
  return {
    if: own.map(({ name, revision }) => ({
      key: etcdKeys.suspension(name),
      modRevision: revision,
    })),
    then: own.map(({ name, record }) => write(etcdKeys.suspension(name), record)),
    ids: own.length > 0 ? own.map(({ name }) => name) : undefined,
  };
}
