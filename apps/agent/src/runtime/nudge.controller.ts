import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { Check, Nudge } from '#contracts';
import { AuthorityWatch } from '../enrollment/authority-watch.js';
import { Context } from '../health/context.js';
import { Redirects } from '../redirect/redirects.js';
import { AuditLogHeads } from '../reporting/audit-log-heads.js';
import { ReportPace } from '../health/report-pace.js';
import { Courier } from '../delivery/courier.js';

/** Patterns of the messages that a host takes; the transport maps them to channels of Redis. */
export const NUDGE_PATTERN = 'nudge';
export const CHECK_PATTERN = 'check';

/** A fleet-wide check is answered within this time, so that ten thousand hosts do not ask at once. */
const CHECK_SPREAD_MS = 3_000;

/**
 * Nudges: anyone who may publish on the host's channel can send one, so it is believed in nothing; it only makes the
 * agent look sooner than it would have anyway.
 */
@Controller()
export class NudgeController {
  constructor(
    private readonly courier: Courier,
    private readonly heads: AuditLogHeads,
    private readonly pace: ReportPace,
    private readonly authorities: AuthorityWatch,
    private readonly redirects: Redirects,
    private readonly around: Context,
  ) {}

  @EventPattern(NUDGE_PATTERN)
  async nudged(@Payload() nudge: unknown): Promise<void> {
    const { record, bundle } = partsOf<Nudge>(nudge);
    await this.courier.nudged(record, bundle);
  }

  @EventPattern(CHECK_PATTERN)
  async asked(@Payload() check: unknown): Promise<void> {
    const { auditLog, pace, authorities, redirect } = partsOf<Check>(check);
    if (pace !== undefined) this.pace.take(pace);
    if (auditLog !== undefined) return this.heads.take(auditLog);
    if (authorities !== undefined) return this.authorities.hinted(authorities);
    if (redirect !== undefined) return this.redirects.hinted(redirect);
    const { clock } = this.around;
    await clock.wait(clock.random() * CHECK_SPREAD_MS, AbortSignal.timeout(CHECK_SPREAD_MS));
    await this.courier.check();
  }
}

function partsOf<T>(message: unknown): Partial<Record<keyof T, unknown>> {
  return typeof message === 'object' && message !== null ? { ...message } : {};
}
