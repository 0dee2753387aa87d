import type { AlertBatch } from '#contracts';
import { currentCaller } from '../auth/caller.js';
import { Fleet } from '../store/fleet.js';
import { ProblemError } from '../http/index.js';
import {
  AlertStore,
  type AlertFilter,
  type StoreOutcome,
  type StoredAlert,
} from './alert.store.js';

/**
 * Alerts as the caller may see them: with a scope those of hosts that are in it now, by their identity, so that a name
 * taken anew shows nothing of who had it before. A token that counts no more ends the stream that it began.
 */
export class ScopedAlertStore extends AlertStore {
  constructor(
    private readonly store: AlertStore,
    private readonly fleet: Fleet,
  ) {
    super();
  }

  override add(nodeId: string, batch: AlertBatch): Promise<StoreOutcome> {
    return this.store.add(nodeId, batch);
  }

  override cursorOf(nodeId: string): Promise<string | undefined> {
    return this.store.cursorOf(nodeId);
  }

  override before(
    filter: AlertFilter,
    before: number | undefined,
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    return Promise.try(() => this.store.before(this.#scoped(filter), before, limit));
  }

  override after(
    filter: AlertFilter,
    after: number,
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    return Promise.try(() => this.store.after(this.#scoped(filter), after, limit));
  }

  override byEventId(
    eventId: string,
    filter: Pick<AlertFilter, 'node' | 'nodeIds'>,
  ): Promise<StoredAlert | undefined> {
    return Promise.try(() => this.store.byEventId(eventId, this.#scoped(filter)));
  }

  override id(): Promise<string> {
    return this.store.id();
  }

  override lastId(): Promise<number> {
    return this.store.lastId();
  }

  override health(): { readonly ok: boolean; readonly detail: string } {
    return this.store.health();
  }

  override retry(): Promise<void> {
    return this.store.retry();
  }

  #scoped<F extends AlertFilter>(filter: F): AlertFilter {
    const caller = currentCaller();
    if (caller?.stillCounts() === false)
      throw new ProblemError('not-authenticated', { detail: 'the token counts no more' });
    if (caller?.scope === undefined) return filter;
    const nodes = this.fleet.read().nodes.sorted();
    const nodeIds = nodes.flatMap(({ record }) => record.enrollment?.nodeId ?? []);
    const { node, policy, sinceMs } = filter;
    return { node, policy, sinceMs, nodeIds };
  }
}
