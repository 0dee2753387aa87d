import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import { Log } from '#observability';
import type { HostOffence } from '#redis';
import { SYSTEM } from '../auth/caller.js';
import { Clock } from '../http/clock.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import type { LedgerChange } from '../store/ledger.js';
import { HostInbox } from '../reports/host-inbox.js';
import type { CutOff, NodeRecord } from '../records/node.record.js';
import { isCutOff } from '../trust/redis-identity.js';

/** How long a host stays away from Redis; it may come back by itself, and is cut off again if it goes on. */
const CUT_OFF_MS = 10 * 60_000;

/**
 * Keeps a host that harms others from Redis for a time: its user and connections go, what it wrote is thrown away, and
 * an operator sees why. It keeps enforcing what it has. Through etcd, so that every replica and every node of Redis
 * knows, and a restart of either forgets nothing.
 */
@Injectable()
export class CutOffService {
  readonly #underWay = new Set<string>();

  constructor(
    private readonly editor: FleetEditor,
    private readonly inbox: HostInbox,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Never rejects: an offence that goes on is found again. */
  async cutOff(offence: HostOffence): Promise<void> {
    const { nodeId } = offence;
    if (this.#underWay.has(nodeId)) return;
    this.#underWay.add(nodeId);
    try {
      const written = await this.editor.edit((state) => this.#change(state, offence));
      if (written !== undefined) this.log.warn('a host was cut off from Redis', { ...offence });
    } catch (error) {
      this.log.warn('a host could not be cut off, trying again', { ...offence, error });
    }
    // Also where nothing can be written now: it must not fill the Redis of all others.
    try {
      await this.inbox.discard(nodeId);
    } catch (error) {
      this.log.warn('what a host wrote could not be thrown away, trying again', { nodeId, error });
    } finally {
      this.#underWay.delete(nodeId);
    }
  }

  #change(state: FleetState, { nodeId, reason }: HostOffence): LedgerChange | undefined {
    const node = state.nameOf(nodeId);
    const stored = node === undefined ? undefined : state.nodes.get(node);
    const nowMs = this.clock.nowMs();
    if (!stored || isCutOff(stored.record, nowMs)) return undefined;
    const { record, revision } = stored;
    const cutOff: CutOff = {
      reason,
      at: new Date(nowMs).toISOString(),
      until: new Date(nowMs + CUT_OFF_MS).toISOString(),
    };
    const key = etcdKeys.node(record.name);
    const changed: NodeRecord = { ...record, cutOff };
    return {
      if: [{ key, modRevision: revision }],
      then: [{ type: 'put', key, value: JSON.stringify(changed) }],
      auditLog: {
        by: SYSTEM,
        action: 'node.cut-off',
        target: record.name,
        detail: { nodeId, reason, until: cutOff.until },
      },
    };
  }
}
