import { Injectable } from '@nestjs/common';
import type { AgentRun, NodeReport } from '#contracts';
import { etcdKeys } from '#etcd';
import { Log } from '#observability';
import { SYSTEM } from '../auth/caller.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import { Metrics } from '../health/metrics.js';
import { Periodic } from '../health/periodic.decorator.js';
import type { LedgerChange } from '../store/ledger.js';
import type { CloneMark } from '../records/node.record.js';
import { CloneWatch } from './clone-watch.js';
import { HostInbox } from './host-inbox.js';
import type { KnownHost } from './known-hosts.js';
import { ReportCache } from './report-cache.js';

/** Called every second; after a longer pause this process stood still. */
const DEAF_AFTER_MS = 10_000;

/**
 * Marks hosts whose identity two machines use, through etcd, so that every replica and the audit log know, once; and takes
 * the mark away when one of them has been silent for a time. Enrolling anew under the name ends it too.
 */
@Injectable()
export class CloneService {
  readonly #watch = new CloneWatch();
  readonly #underWay = new Set<string>();
  #ranAtMs: number | undefined;
  /** Hosts that were marked when it was run last. */
  #cloned: ReadonlySet<string> = new Set();

  constructor(
    private readonly fleet: Fleet,
    private readonly editor: FleetEditor,
    private readonly cache: ReportCache,
    private readonly inbox: HostInbox,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /** Whether a report counts: not that of the copy, once it is known as one. */
  admits({ node }: KnownHost, report: NodeReport): boolean {
    const mark = this.fleet.state.nodes.get(node)?.record.clone;
    const { counts, found } = this.#watch.take(report, this.clock.nowMs(), mark);
    if (found) void this.#write(report.nodeId, found);
    return counts;
  }

  /** Whether events of this run count: of two machines that are known as such only those of the one whose reports do. */
  admitsEvents({ node, nodeId }: KnownHost, run: AgentRun): boolean {
    const mark = this.fleet.state.nodes.get(node)?.record.clone;
    return !mark || this.#watch.isKept(nodeId, run, this.clock.nowMs(), mark);
  }

  /** Hosts that are, or may be, two machines: as each writes over what the other wrote, they are to be looked at often. */
  closely(): readonly string[] {
    const { state } = this.fleet;
    const marked = state.nodeIdsOf(state.passing.of('clone'));
    return [...marked, ...this.#watch.suspects(this.clock.nowMs())];
  }

  /** Ends the marks of hosts that are one machine again, of those that can be heard. */
  @Periodic({ name: 'end-clone-marks', everyMs: 1_000 })
  async run(): Promise<void> {
    const nowMs = this.clock.nowMs();
    if (nowMs - (this.#ranAtMs ?? nowMs) > DEAF_AFTER_MS) this.#watch.wasDeaf(nowMs);
    this.#ranAtMs = nowMs;
    const { state } = this.fleet;
    const cloned = state.nodeIdsOf(state.passing.of('clone'));
    this.#watch.wasDeaf(
      nowMs,
      cloned.filter((nodeId) => !this.inbox.isHeard(nodeId)),
    );
    this.#readAnew(new Set(cloned));
    const quiet = cloned.filter((nodeId) => this.#watch.isQuiet(nodeId, nowMs));
    for (const nodeId of quiet) await this.#write(nodeId, undefined);
  }

  /**
   * Where a mark came or went, whichever replica made or ended it, what is in the cache may be the report of a machine that
   * does not count now, and what lies on Redis that of the one which does.
   */
  #readAnew(cloned: ReadonlySet<string>): void {
    for (const nodeId of cloned.symmetricDifference(this.#cloned)) {
      this.cache.remove(nodeId);
      this.inbox.forget(nodeId);
    }
    this.#cloned = cloned;
  }

  /** Forgets a host that is gone. */
  forget(nodeId: string): void {
    this.#watch.forget(nodeId);
  }

  async #write(nodeId: string, mark: CloneMark | undefined): Promise<void> {
    if (this.#underWay.has(nodeId)) return;
    this.#underWay.add(nodeId);
    try {
      const written = await this.editor.edit((state) => changeOf(state, nodeId, mark));
      if (written !== undefined) this.#tell(nodeId, mark);
    } catch (error) {
      this.log.warn('the mark of a copied identity was not written', { nodeId, error });
    } finally {
      this.#underWay.delete(nodeId);
    }
  }

  #tell(nodeId: string, mark: CloneMark | undefined): void {
    if (!mark) return this.log.info('an identity is one machine again', { nodeId });
    this.metrics.clonesFound.inc();
    this.log.error('an identity was copied', { nodeId, reason: mark.reason });
  }
}

function changeOf(
  state: FleetState,
  nodeId: string,
  mark: CloneMark | undefined,
): LedgerChange | undefined {
  const stored = state.nodes.get(state.nameOf(nodeId) ?? '');
  // Another replica may have been faster.
  if (!stored || (stored.record.clone === undefined) === (mark === undefined)) return undefined;
  const { clone: _before, ...record } = stored.record;
  const key = etcdKeys.node(record.name);
  const changed = mark ? { ...record, clone: mark } : record;
  return {
    if: [{ key, modRevision: stored.revision }],
    then: [{ type: 'put', key, value: JSON.stringify(changed) }],
    auditLog: {
      by: SYSTEM,
      action: mark ? 'node.cloned' : 'node.clone-ended',
      target: record.name,
      detail: { nodeId, reason: mark?.reason },
    },
  };
}
