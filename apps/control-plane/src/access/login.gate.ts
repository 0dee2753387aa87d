import { Injectable } from '@nestjs/common';
import { Clock } from '../http/clock.js';
import { Metrics } from '../health/metrics.js';
import type { ProblemError } from '../http/index.js';
import { tooManyAttempts } from '../auth/access.guard.js';
import { Attempts } from './attempts.js';
import { FailedLogins } from './failed-logins.js';

/** Slows guessing and counts what failed, whatever way to log in is tried. */
@Injectable()
export class LoginGate {
  readonly #attempts = new Attempts();

  constructor(
    private readonly failures: FailedLogins,
    private readonly metrics: Metrics,
    private readonly clock: Clock,
  ) {}

  /** Counts a try beforehand; throws 429 where too many were wrong. */
  enter(account: string, source: string): void {
    const waitMs = this.#attempts.take(account, source, this.clock.nowMs());
    if (waitMs > 0) throw this.refused(source, tooManyAttempts(waitMs));
  }

  /** Gives a try back that was right. */
  right(account: string, source: string): void {
    this.#attempts.right(account, source, this.clock.nowMs());
  }

  /** Counts a login that failed, for the audit log; `account` where it is one that we know. Answers the error. */
  refused(source: string, error: ProblemError, account?: string): ProblemError {
    this.metrics.loginFailures.inc();
    this.failures.add(source, account);
    return error;
  }
}
