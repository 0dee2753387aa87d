import { Injectable } from '@nestjs/common';
import { etcdKeys, type Write } from '#etcd';
import { Clock, isoNow } from '../clock.js';
import { FleetEditor } from '../fleet/fleet-editor.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { Stored } from '../fleet/shelf.js';
import { checkExpectation, type Expectation } from '../http/index.js';
import { formatOf } from '../http/media-type.js';
import type { LedgerChange } from '../journal/ledger.js';
import { ApplyService } from '../policies/apply.service.js';
import { changedLabels } from './label-changes.js';
import { findNode } from './node.view.js';
import type { NodeRecord } from './node.record.js';
import { hostKeyKeys } from './host-keys.js';

/** Who writes a host, and what it is expected to be. */
export interface NodeWrite {
  readonly name: string;
  readonly by: string;
  readonly expected: Expectation;
}

/** Hosts by exact name: declared, labelled, offboarded, revoked. */
@Injectable()
export class NodeService {
  constructor(
    private readonly editor: FleetEditor,
    private readonly applying: ApplyService,
    private readonly clock: Clock,
  ) {}

  /** Declares a host or replaces its labels from one KubeArmorVirtualMachine of this name; says whether it is new. */
  async put(
    { name, by, expected }: NodeWrite,
    text: string,
    contentType: string | undefined,
  ): Promise<boolean> {
    const answer = await this.applying.apply({
      text,
      format: formatOf(contentType),
      by,
      dryRun: false,
      prune: false,
      overrideProtection: false,
      only: { kind: 'KubeArmorVirtualMachine', name },
      check: (state) => checkExpectation(expected, state.nodes.get(name)?.revision),
    });
    return answer.documents.some(({ verdict }) => verdict === 'created');
  }

  /** Sets and removes labels; its policies follow at once. */
  async label(write: NodeWrite, changes: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#update(write, 'node.labelled', (record) => {
      const labels = changedLabels(record.labels, changes);
      const same = JSON.stringify(labels) === JSON.stringify(record.labels);
      return same ? undefined : { ...record, labels };
    });
  }

  /** Believes nothing of the host any more and gives it nothing; its name and key stay taken. */
  async revoke(write: NodeWrite): Promise<void> {
    await this.#update(write, 'node.revoked', (record) => {
      return record.revoked === true ? undefined : { ...record, revoked: true };
    });
  }

  /** Offboards the host of exactly this name. */
  async delete(write: NodeWrite): Promise<void> {
    await this.editor.edit((state) => {
      const stored = this.#expected(state, write);
      const keys = [etcdKeys.node(write.name), ...hostKeyKeys(state, stored.record)];
      const writes: Write[] = keys.map((key) => ({ type: 'delete', key }));
      return this.#change(stored, write, 'node.offboarded', writes);
    });
  }

  async #update(
    write: NodeWrite,
    action: string,
    change: (record: NodeRecord) => NodeRecord | undefined,
  ): Promise<void> {
    await this.editor.edit((state) => {
      const stored = this.#expected(state, write);
      const changed = change(stored.record);
      if (!changed) return undefined;
      const record = { ...changed, at: isoNow(this.clock), by: write.by };
      const key = etcdKeys.node(write.name);
      return this.#change(stored, write, action, [
        { type: 'put', key, value: JSON.stringify(record) },
      ]);
    });
  }

  #expected(state: FleetState, { name, expected }: NodeWrite): Stored<NodeRecord> {
    const stored = findNode(state, name);
    checkExpectation(expected, stored.revision);
    return stored;
  }

  #change(
    { record, revision }: Stored<NodeRecord>,
    { name, by }: NodeWrite,
    action: string,
    then: readonly Write[],
  ): LedgerChange {
    const detail = { nodeId: record.enrollment?.nodeId };
    return {
      if: [{ key: etcdKeys.node(name), modRevision: revision }],
      then,
      journal: { by, action, target: name, detail },
    };
  }
}
