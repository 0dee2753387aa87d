import type { SignedDocument } from '#bundle';
import { Periodic } from '../health/periodic.decorator.js';
import { Clock } from '../http/clock.js';
import { ReportPace } from './report-pace.js';
import { SignedAuditLog } from '../store/signed-audit-log.js';

/** At most so many new heads go out in the interval of reports, however many entries there are: all hosts hear each. */
const HEADS_A_REPORT = 5;
/** The same one again: for hosts that were away when it went out. */
const REPEAT_MS = 30_000;

/** Where heads go, and the pace of reports with them: to all hosts at once. Throws where it cannot be reached. */
export abstract class HeadChannel {
  abstract publish(head: SignedDocument, pace?: SignedDocument): Promise<void>;
}

/**
 * Gives the signed head of the audit log to the hosts: one message to all of them, whatever their number, so that what
 * was cut off or rewritten here is still known there.
 */
export class HeadHerald {
  #toldSeq = 0;
  #told: SignedDocument | undefined;
  #toldAtMs: number | undefined;

  constructor(
    private readonly auditLog: Pick<SignedAuditLog, 'end' | 'head'>,
    private readonly channel: HeadChannel,
    private readonly pace: Pick<ReportPace, 'order' | 'everyMs'>,
    private readonly clock: Clock,
  ) {}

  /** Tells where it is time to. Rejects where audit log or channel cannot be reached. */
  @Periodic({ name: 'publish-audit-log-head', everyMs: 1_000 })
  async run(): Promise<void> {
    const nowMs = this.clock.nowMs();
    const ageMs = this.#toldAtMs === undefined ? Infinity : Math.abs(nowMs - this.#toldAtMs);
    if (ageMs < this.pace.everyMs / HEADS_A_REPORT) return;
    const isRepeat = ageMs >= REPEAT_MS;
    try {
      const { seq } = await this.auditLog.end();
      if (seq === this.#toldSeq && !isRepeat) return;
      const head = await this.auditLog.head();
      if (!head) return;
      await this.#publish(head, nowMs);
      this.#toldSeq = seq;
    } catch (error) {
      // The pace goes with a head: without it all hosts would soon report as often as those of a small fleet.
      if (this.#told && isRepeat) await this.#publish(this.#told, nowMs);
      throw error;
    }
  }

  async #publish(head: SignedDocument, nowMs: number): Promise<void> {
    await this.channel.publish(head, this.pace.order());
    this.#told = head;
    this.#toldAtMs = nowMs;
  }
}
