import { Injectable } from '@nestjs/common';
import { Clock } from '../http/clock.js';
import type { AuditLogDraft } from '../store/audit-log-draft.js';
import { networkOf } from '../http/source-network.js';
import { SYSTEM } from '../auth/caller.js';

const MINUTE_MS = 60_000;
const MAX_SOURCES = 50;

interface Counted {
  logins: number;
  readonly accounts: Set<string>;
}

/**
 * Failed logins by source, a minute at a time: the audit log gets one entry for a minute, however many there were and
 * from however many places, so that a flood costs etcd nothing. Where the audit log took none for a while, one entry is
 * about the minutes from `minute` to `until`.
 */
@Injectable()
export class FailedLogins {
  #sources = new Map<string, Counted>();
  #others = 0;
  #minute = 0;
  #until = 0;

  constructor(private readonly clock: Clock) {}

  /** Counts one; `account` where a name was given that we know. */
  add(source: string, account?: string): void {
    this.#until = minuteOf(this.clock.nowMs());
    if (this.#minute === 0) this.#minute = this.#until;
    const near = networkOf(source);
    const counted = this.#sources.get(near) ?? { logins: 0, accounts: new Set<string>() };
    if (!this.#sources.has(near) && this.#sources.size >= MAX_SOURCES) {
      this.#others += 1;
      return;
    }
    this.#sources.set(near, counted);
    counted.logins += 1;
    if (account !== undefined && counted.accounts.size < 5) counted.accounts.add(account);
  }

  /** The entry of a minute that is over, or, when `ending`, of the one that goes on; undefined where none failed. */
  take(ending = false): AuditLogDraft | undefined {
    const nowMs = this.clock.nowMs();
    if (this.#minute === 0 || (!ending && minuteOf(nowMs) === this.#minute)) return undefined;
    const sources = [...this.#sources].map(([source, { logins, accounts }]) => ({
      source,
      logins,
      accounts: [...accounts],
    }));
    const [minute, until] = [timeOf(this.#minute), timeOf(this.#until)];
    const detail = { minute, until, sources, elsewhere: this.#others };
    this.#sources = new Map();
    this.#others = 0;
    this.#minute = 0;
    return { by: SYSTEM, action: 'login.failed', target: minute, outcome: 'refused', detail };
  }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS);
}

function timeOf(minute: number): string {
  return new Date(minute * MINUTE_MS).toISOString();
}
