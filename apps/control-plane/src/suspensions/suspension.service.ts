import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { etcdKeys, type Condition, type Write } from '#etcd';
import type { SuspensionView } from '#contracts';
import { Clock } from '../http/clock.js';
import { FleetEditor, type Override } from '../store/fleet-editor.js';
import { revisionToDelete } from '../store/unreadable-records.js';
import { type ProblemError, notFound, conflict } from '../http/index.js';
import { findNode } from '../store/find-node.js';
import type { SuspensionRecord } from '../records/suspension.record.js';

/** Break-glass: hosts stop enforcing for a stated time and reason, and start again by themselves. */
@Injectable()
export class SuspensionService {
  constructor(
    private readonly editor: FleetEditor,
    private readonly clock: Clock,
  ) {}

  /**
   * Goes to the hosts inside their assignments. Of one host it is for the machine that has the name now: throws 404 where
   * that went meanwhile, 409 where another one has its name.
   */
  async create(order: Omit<SuspensionView, 'id' | 'at'>): Promise<SuspensionView> {
    const id = randomBytes(6).toString('hex');
    const at = new Date(this.clock.nowMs()).toISOString();
    const record: SuspensionRecord = { v: 1, id, at, ...order };
    const key = etcdKeys.suspension(id);
    const { target, mode, until, reason } = order;
    let meant: string | undefined;
    await this.editor.edit((state) => {
      const node = target.node === undefined ? undefined : findNode(state, target.node);
      const nodeId = node?.record.enrollment?.nodeId;
      meant ??= nodeId;
      if (nodeId !== meant) throw anotherMachine(target.node);
      const writes: Write[] = [{ type: 'put', key, value: JSON.stringify(record) }];
      const conditions: Condition[] = [{ key, modRevision: 0n }];
      if (node) {
        const nodeKey = etcdKeys.node(node.record.name);
        conditions.push({ key: nodeKey, modRevision: node.revision });
        // As it is: whoever is about to rename, replace or offboard the host decides anew, and knows of this by then.
        writes.push({ type: 'put', key: nodeKey, value: JSON.stringify(node.record) });
      }
      return {
        if: conditions,
        then: writes,
        auditLog: {
          by: order.by,
          action: 'suspension.created',
          target: id,
          detail: { target, mode, until, reason },
        },
      };
    });
    return suspensionView(record);
  }

  /** Ends it; throws 404 for one that is not there any more. */
  async end(id: string, by: string, override?: Override): Promise<void> {
    await this.editor.edit((state) => {
      const key = etcdKeys.suspension(id);
      const modRevision = revisionToDelete(state, key, () => {
        const stored = state.suspensions.get(id);
        if (stored) return stored;
        throw notFound('suspension', id);
      });
      return {
        if: [{ key, modRevision }],
        then: [{ type: 'delete', key }],
        auditLog: { by, action: 'suspension.ended', target: id },
      };
    }, override);
  }
}

function anotherMachine(node = ''): ProblemError {
  const remedy = `look at it by \`hostward status node ${node}\`, and suspend it again if it is still to be`;
  return conflict('node', node, 'was given another machine in the meantime', remedy);
}

/** A suspension as REST shows it. */
export function suspensionView({ v: _format, ...view }: SuspensionRecord): SuspensionView {
  return view;
}
