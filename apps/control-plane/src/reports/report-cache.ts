import type { NodeReport } from '#contracts';
import { freshnessOf } from './freshness.js';
import type { HeldReport } from './held-report.js';

/** The newest report of each host, in memory: hosts send theirs again every few seconds. */
export class ReportCache {
  readonly #held = new Map<string, HeldReport>();
  /** The epoch that was asked for last, and the highest generation of it that a report has named: hosts may make up any. */
  #epoch: string | undefined;
  #highest = 0n;

  /**
   * Keeps `report` unless an equally new or newer one of that host is here; says whether it was kept. One that has gone
   * stale gives way to any that is about now: a host whose clock was set back must not stay unknown for ever, and what
   * is played back is not about now.
   */
  put(report: NodeReport, nowMs: number): boolean {
    const held = this.#held.get(report.nodeId);
    const candidate = { report, receivedAtMs: nowMs };
    const revived =
      !freshnessOf(held, nowMs).fresh &&
      freshnessOf(candidate, nowMs).fresh &&
      !isSame(report, held?.report);
    if (held && !isNewer(report, held.report) && !revived) return false;
    this.#held.set(report.nodeId, candidate);
    this.#noteGeneration(report);
    return true;
  }

  get(nodeId: string | undefined): HeldReport | undefined {
    return nodeId === undefined ? undefined : this.#held.get(nodeId);
  }

  /** Whether a host may have reported a later generation of the epoch in force; false: none has. Mostly looks at no report. */
  mayBeAhead(epoch: string, revision: bigint): boolean {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#highest = 0n;
      for (const { report } of this.#held.values()) this.#noteGeneration(report);
    }
    return this.#highest > revision;
  }

  /** Forgets a host that is gone. */
  remove(nodeId: string): void {
    this.#held.delete(nodeId);
  }

  #noteGeneration({ applied }: NodeReport): void {
    if (!applied || applied.epoch !== this.#epoch) return;
    const generation = BigInt(applied.generation);
    if (generation > this.#highest) this.#highest = generation;
  }
}

/** A later start of the agent wins, then the higher sequence: a replayed report is never newer. */
function isNewer(report: NodeReport, than: NodeReport): boolean {
  const started = Date.parse(report.bootedAt) - Date.parse(than.bootedAt);
  return started > 0 || (started === 0 && report.sequence > than.sequence);
}

/** Taken a second time, a report would renew its own age. */
function isSame(report: NodeReport, other: NodeReport | undefined): boolean {
  return report.bootedAt === other?.bootedAt && report.sequence === other.sequence;
}
