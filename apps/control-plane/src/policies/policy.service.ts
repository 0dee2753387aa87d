import { Injectable } from '@nestjs/common';
import type { PolicyView } from '#contracts';
import { etcdKeys } from '#etcd';
import type { HostPolicy } from '#policy-model';
import { Clock, isoNow } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor, type Override } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import {
  checkExpectation,
  invalidField,
  notFound,
  type Expectation,
  conflict,
} from '../http/index.js';
import type { LedgerChange } from '../store/ledger.js';
import { PolicyHistory } from './policy-history.js';
import type { PolicyRecord } from '../records/policy.record.js';
import { findPolicy, policyView } from './policy.view.js';
import { PolicySigner } from './policy-signer.js';
import { nextVersion, unchangedPolicy, versionWrites } from './policy-versions.js';

type Content = Pick<PolicyRecord, 'change' | 'paused' | 'owner'> & {
  readonly document?: HostPolicy;
};

/** What a change of a policy follows. */
type Before = Stored<Pick<PolicyRecord, 'version' | 'owner'>>;

/** Who changes a policy, and what it is expected to be. */
export interface PolicyWrite {
  readonly name: string;
  readonly by: string;
  readonly expected: Expectation;
}

/** Changes to one policy that exists; each is a version, signed and recorded in the audit log. */
@Injectable()
export class PolicyService {
  constructor(
    private readonly fleet: Fleet,
    private readonly editor: FleetEditor,
    private readonly history: PolicyHistory,
    private readonly signer: PolicySigner,
    private readonly clock: Clock,
  ) {}

  /** Deletes it; its hosts are freed at once. */
  async delete(write: PolicyWrite, override?: Override): Promise<void> {
    await this.editor.edit(async (state) => {
      const stored = (await this.#unread(state, write)) ?? this.#expected(state, write);
      const { owner } = stored.record;
      return this.#change(stored, write, { change: 'deleted', paused: false, owner });
    }, override);
  }

  /** What is known of a policy whose record cannot be read: above all after which number its versions go on. */
  async #unread(state: FleetState, { name, expected }: PolicyWrite): Promise<Before | undefined> {
    const key = etcdKeys.policy(name);
    const revision = state.unreadable.has(key) ? state.revisions.get(key) : undefined;
    if (revision === undefined) return undefined;
    checkExpectation(expected, revision);
    const known = (state.policies.get(name) ?? state.deletedPolicies.get(name))?.record;
    const version = Math.max(known?.version ?? 0, await this.history.newest(name));
    return { revision, record: { version, owner: known?.owner } };
  }

  /** Takes it off its hosts and keeps it, or puts it back; without effect where it is so already. */
  async pause(write: PolicyWrite, paused: boolean): Promise<PolicyView> {
    await this.editor.edit((state) => {
      const stored = this.#expected(state, write);
      if (stored.record.paused === paused) return undefined;
      const { owner, document } = stored.record;
      const change = paused ? 'paused' : 'resumed';
      return this.#change(stored, write, { change, paused, owner, document });
    });
    return this.#view(write.name);
  }

  /** Makes the document of an earlier version (by default the last one that differs) the newest; also after a deletion. */
  async rollback(write: PolicyWrite, version: number | undefined): Promise<PolicyView> {
    await this.editor.edit(async (state) => {
      const current = state.policies.get(write.name) ?? state.deletedPolicies.get(write.name);
      if (!current) throw notFound('policy', write.name);
      checkExpectation(write.expected, current.revision);
      const target = await this.#versionToRestore(current, version);
      const { document } = target;
      const { owner } = current.record;
      const paused = current.record.document !== undefined && current.record.paused;
      return this.#change(
        current,
        write,
        { change: 'rolled-back', paused, owner, document },
        target.version,
      );
    });
    return this.#view(write.name);
  }

  /** Every version that is kept, newest first. Throws 404 for a policy that never was. */
  async versions(name: string): Promise<readonly Stored<PolicyRecord>[]> {
    const versions = await this.history.versions(name);
    if (versions.length > 0) return versions;
    throw notFound('policy', name);
  }

  async #versionToRestore(
    current: Stored<PolicyRecord>,
    version: number | undefined,
  ): Promise<PolicyRecord> {
    const versions = (await this.history.versions(current.record.name)).map(({ record }) => record);
    const found =
      version === undefined
        ? versions.find((each) => differs(each, current.record))
        : versions.find((each) => each.version === version);
    if (found?.document) return found;
    const { name } = current.record;
    const remedy = `\`hostward history policy ${name}\` (GET /history) shows which versions have a document`;
    if (version !== undefined)
      throw invalidField('version', version, 'is no version to return to', remedy);
    throw conflict('policy', name, 'has no earlier version to return to', remedy);
  }

  #expected(state: FleetState, { name, expected }: PolicyWrite): Stored<PolicyRecord> {
    const stored = findPolicy(state, name);
    checkExpectation(expected, stored.revision);
    return stored;
  }

  #change(
    before: Before,
    { name, by }: PolicyWrite,
    content: Content,
    restored?: number,
  ): LedgerChange {
    const record = nextVersion(name, before.record, content, {
      by,
      at: isoNow(this.clock),
      sign: (document) => this.signer.sign(document),
    });
    const detail = { version: record.version, restored };
    return {
      if: [unchangedPolicy(name, before)],
      then: versionWrites(record),
      auditLog: { by, action: `policy.${content.change}`, target: name, detail },
    };
  }

  #view(name: string): PolicyView {
    const state = this.fleet.read();
    return policyView(findPolicy(state, name), state);
  }
}

function differs(version: PolicyRecord, current: PolicyRecord): boolean {
  if (version.version >= current.version || !version.document) return false;
  return JSON.stringify(version.document) !== JSON.stringify(current.document);
}
