import { Injectable } from '@nestjs/common';
import { RefusedError, openEvents, sealCursor } from '#bundle';
import type { AlertBatch, EventCursor } from '#contracts';
import { Log } from '#observability';
import { Metrics } from '../health/metrics.js';
import { CloneService } from '../reports/clone.service.js';
import { HostInbox, type SealedEntry } from '../reports/host-inbox.js';
import { KnownHosts, type KnownHost } from '../reports/known-hosts.js';
import { ShapeError } from '../shape/shape.js';
import { AlertNews } from '../sinks/alert-news.js';
import { AlertStore, ObservationStore, UnstorableBatch, type StoreOutcome } from './alert.store.js';
import { parseAlertBatch } from './parse-alert-batch.js';

const AT_ONCE = 50;
/** Until the next look while the store is known to be away or full: what is read meanwhile is read in vain. */
const WHILE_AWAY_MS = 5_000;
/** Before every id. */
const NONE = '0-0';

/**
 * Carries events of hosts into the store: opened, read strictly, stored, and only then acknowledged, so that a host
 * drops nothing that could still be lost. What cannot be opened is dropped and counted: it is not from the host.
 * So is what the store will never take: it would be tried for ever.
 */
@Injectable()
export class EventIntake {
  constructor(
    private readonly inbox: HostInbox,
    private readonly hosts: KnownHosts,
    private readonly clones: CloneService,
    private readonly alerts: AlertStore,
    private readonly observations: ObservationStore,
    private readonly news: AlertNews,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /**
   * Reads what the host has now, as fast as its pace allows; gives after how many milliseconds to look again where there
   * may be more, else 0. Throws where Redis or a store fails; then nothing was acknowledged that it did not take.
   */
  async take(nodeId: string): Promise<number> {
    const host = this.hosts.find(nodeId);
    if (!host) return 0;
    if (!this.alerts.health().ok) return WHILE_AWAY_MS;
    for (;;) {
      const restMs = this.inbox.restMs(nodeId);
      if (restMs > 0) return restMs;
      const entries = await this.inbox.events(nodeId, AT_ONCE);
      if (entries.length === 0) return 0;
      const { done, some, left } = await this.#storeAll(host, entries);
      // Before the cursor, which a full Redis refuses until there is room: who is not told only sends again.
      await this.inbox.remove(nodeId, done);
      if (some) await this.inbox.writeCursor(nodeId, sealed(host, await this.#cursorOf(nodeId)));
      if (left) throw left.cause;
    }
  }

  /** Stores one after the other. What was only watched and cannot be stored now stays, and holds up no alert behind it. */
  async #storeAll(host: KnownHost, entries: readonly SealedEntry[]): Promise<Taken> {
    const done: string[] = [];
    let some = false;
    let left: Left | undefined;
    for (const entry of entries) {
      const outcome = await this.#storeOne(host, entry, left);
      if (outcome instanceof Left) {
        left = outcome;
        continue;
      }
      if (outcome && outcome.stored > 0) this.news.tell();
      some ||= outcome !== undefined;
      done.push(entry.id);
    }
    return { done, some, left };
  }

  /** Of both kinds, whichever came: one takes the place of the other's last word. */
  async #cursorOf(nodeId: string): Promise<EventCursor> {
    const observed = await this.observations.cursorOf(nodeId);
    const last = (await this.alerts.cursorOf(nodeId)) ?? NONE;
    return { v: 1, last, ...(observed === undefined ? {} : { observed }) };
  }

  async #storeOne(
    host: KnownHost,
    entry: SealedEntry,
    left: Left | undefined,
  ): Promise<StoreOutcome | Left | undefined> {
    try {
      const batch = parseAlertBatch(openEvents(host.hostKey, host.nodeId, entry.sealed), host);
      if (!this.clones.admitsEvents(host, batch.run)) return this.#refused('clone');
      if (batch.kind === 'observed') return left ?? (await this.#storeObserved(host.nodeId, batch));
      const outcome = await this.alerts.add(host.nodeId, batch);
      this.metrics.alertsStored.inc(outcome.stored);
      this.metrics.alertsDuplicate.inc(outcome.duplicates);
      return outcome;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      this.log.warn('a batch of events was refused', { node: host.node, entry: entry.id, error });
      return this.#refused(reason);
    }
  }

  async #storeObserved(nodeId: string, batch: AlertBatch): Promise<StoreOutcome | Left> {
    try {
      const outcome = await this.observations.add(nodeId, batch);
      this.metrics.observationsStored.inc(outcome.stored);
      return outcome;
    } catch (cause) {
      if (cause instanceof UnstorableBatch) throw cause;
      return new Left(cause);
    }
  }

  /** Dropped, and not acknowledged: who sent it keeps it. */
  #refused(reason: string): undefined {
    this.metrics.eventBatchesRefused.inc({ reason });
    return undefined;
  }
}

/**
 * What was only watched was not stored, for this cause. What was watched after it is left too: stored, it would
 * acknowledge this.
 */
class Left {
  constructor(readonly cause: unknown) {}
}

/** What became of entries: those to remove, whether any could be read, and what stays. */
interface Taken {
  readonly done: readonly string[];
  readonly some: boolean;
  readonly left: Left | undefined;
}

/** What is wrong with a batch; undefined for what is none of its fault. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof RefusedError) return error.code;
  if (error instanceof ShapeError) return 'shape';
  return error instanceof UnstorableBatch ? 'unstorable' : undefined;
}

function sealed({ hostKey, nodeId }: KnownHost, cursor: EventCursor): Uint8Array {
  return sealCursor(hostKey, nodeId, new TextEncoder().encode(JSON.stringify(cursor)));
}
