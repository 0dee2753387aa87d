import { Injectable } from '@nestjs/common';
import { Clock } from '../http/clock.js';
import type { AuditLogDraft } from '../store/audit-log-draft.js';
import type { Caller } from '../auth/caller.js';
import { RateLimit } from '../http/rate-limit.js';

const MINUTE_MS = 60_000;
const MAX_ACTORS = 50;

/** What was refused: method and route, and the path that was asked for. */
export interface Refusal {
  readonly action: string;
  readonly object: string;
}

/**
 * What callers were refused. The first ones of each go into the audit log one by one; beyond that they are counted and
 * told once a minute, so that nobody can fill etcd and the audit log by asking for what is not theirs.
 */
@Injectable()
export class Refusals {
  readonly #single = new RateLimit({ burst: 10, refillMs: MINUTE_MS, maxCallers: 1_000 });
  #counted = new Map<string, number>();
  #since = 0;

  constructor(private readonly clock: Clock) {}

  /** The entry for this one, or undefined where it was only counted. */
  add(caller: Caller, { action, object }: Refusal): AuditLogDraft | undefined {
    const { actor, source } = caller;
    if (this.#single.take(actor, this.clock.nowMs()) === 0)
      return { by: actor, source, action, target: object, outcome: 'refused' };
    this.count(caller);
    return undefined;
  }

  /** Counts one that has no entry of its own. */
  count({ actor }: Caller): void {
    if (this.#since === 0) this.#since = this.clock.nowMs();
    const name = this.#counted.has(actor) || this.#counted.size < MAX_ACTORS ? actor : 'others';
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }

  /** One entry for those that were only counted, a minute after the first of them or when `ending`. */
  take(by: string, ending = false): AuditLogDraft | undefined {
    const due = this.clock.nowMs() - this.#since >= MINUTE_MS || ending;
    if (this.#since === 0 || !due) return undefined;
    const target = new Date(this.#since).toISOString();
    const detail = { refused: Object.fromEntries(this.#counted) };
    this.#counted = new Map();
    this.#since = 0;
    return { by, action: 'access.refused', target, outcome: 'refused', detail };
  }
}
