import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import type { SuspensionView } from '#contracts';
import { Clock } from '../clock.js';
import { FleetEditor } from '../fleet/fleet-editor.js';
import { notFound } from '../http/index.js';
import type { SuspensionRecord } from './suspension.record.js';

/** Break-glass: hosts stop enforcing for a stated time and reason, and start again by themselves. */
@Injectable()
export class SuspensionService {
  constructor(
    private readonly editor: FleetEditor,
    private readonly clock: Clock,
  ) {}

  /** Goes to the hosts inside their assignments. */
  async create(order: Omit<SuspensionView, 'id' | 'at'>): Promise<SuspensionView> {
    const id = randomBytes(6).toString('hex');
    const at = new Date(this.clock.nowMs()).toISOString();
    const record: SuspensionRecord = { v: 1, id, at, ...order };
    const key = etcdKeys.suspension(id);
    const { target, mode, until, reason } = order;
    await this.editor.edit(() => ({
      if: [{ key, modRevision: 0n }],
      then: [{ type: 'put', key, value: JSON.stringify(record) }],
      journal: {
        by: order.by,
        action: 'suspension.created',
        target: id,
        detail: { target, mode, until, reason },
      },
    }));
    return suspensionView(record);
  }

  /** Ends it; throws 404 for one that is not there any more. */
  async end(id: string, by: string): Promise<void> {
    await this.editor.edit((state) => {
      const stored = state.suspensions.get(id);
      if (!stored) throw notFound('suspension', id);
      const key = etcdKeys.suspension(id);
      return {
        if: [{ key, modRevision: stored.revision }],
        then: [{ type: 'delete', key }],
        journal: { by, action: 'suspension.ended', target: id },
      };
    });
  }
}

/** A suspension as REST shows it. */
export function suspensionView({ v: _format, ...view }: SuspensionRecord): SuspensionView {
  return view;
}
