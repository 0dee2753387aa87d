import { Injectable } from '@nestjs/common';
import { RefusedError, openEvents, sealCursor } from '#bundle';
import type { AlertBatch, EventCursor } from '#contracts';
import { Log } from '#observability';
import { Metrics } from '../health/metrics.js';
import { CloneService } from '../reports/clone.service.js';
import { HostInbox, type SealedEntry } from '../reports/host-inbox.js';
import { KnownHosts, type KnownHost } from '../reports/known-hosts.js';
import { ShapeError } from '../http/shape.js';
import { AlertNews } from './alert-news.js';
import {
  AlertStore,
  TelemetryEventStore,
  UnstorableBatch,
  type StoreOutcome,
} from './alert.store.js';
import { LeftTelemetryEvents } from './left-telemetry-events.js';
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
  readonly #left = new LeftTelemetryEvents();
  /** The store of what was only watched did not say up to where it has that, when it was asked last. */
  #isUnread = false;

  constructor(
    private readonly inbox: HostInbox,
    private readonly hosts: KnownHosts,
    private readonly clones: CloneService,
    private readonly alerts: AlertStore,
    private readonly telemetryEvents: TelemetryEventStore,
    private readonly news: AlertNews,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  /**
   * Reads what the host has now, as fast as its pace allows; gives after how many milliseconds to look again where there
   * may be more, else 0; what was only watched and could not be stored is `due` later. Throws where Redis or the store of
   * alerts fails; then nothing was acknowledged that it did not take.
   */
  async take(nodeId: string): Promise<number> {
    const host = this.hosts.find(nodeId);
    if (!host) {
      this.#left.end(nodeId);
      return 0;
    }
    if (!this.alerts.health().ok) return WHILE_AWAY_MS;
    for (;;) {
      const restMs = this.inbox.restMs(nodeId);
      if (restMs > 0) return restMs;
      const readTo = this.#left.readTo(nodeId);
      const entries = await this.inbox.events(nodeId, AT_ONCE, readTo);
      const last = entries.at(-1);
      if (last !== undefined) await this.#storeAll(host, entries, { last: last.id, readTo });
      else if (readTo !== undefined) return this.#paused(nodeId);
      else return this.#emptied(nodeId);
    }
  }

  /** Hosts whose telemetry events could not be stored, and are to be tried again now. */
  due(): readonly string[] {
    return this.#left.due();
  }

  #paused(nodeId: string): number {
    this.#left.pause(nodeId);
    return 0;
  }

  #emptied(nodeId: string): number {
    const was = this.#left.some;
    this.#left.end(nodeId);
    if (was && !this.#left.some) this.log.info('what was only watched is stored again');
    return 0;
  }

  /** Alerts first, and told at once: what was only watched holds none of them up, however much it is or slow its store. */
  async #storeAll(
    host: KnownHost,
    entries: readonly SealedEntry[],
    { last, readTo }: { readonly last: string; readonly readTo: string | undefined },
  ): Promise<void> {
    const opened = entries.map((entry) => ({ id: entry.id, batch: this.#open(host, entry) }));
    const isObserved = ({ batch }: Opened): boolean => batch?.kind === 'observed';
    await this.#storeAlerts(
      host,
      opened.filter((each) => !isObserved(each)),
    );
    // What was watched after what was left is left too: stored, it would acknowledge that.
    if (readTo !== undefined) return this.#left.passed(host.nodeId, last);
    const left = await this.#storeObserved(host, opened.filter(isObserved));
    if (left) this.#leave(host, last, left);
  }

  /** Told once of all hosts until everything is stored: the store is one. */
  #leave({ node, nodeId }: KnownHost, last: string, { cause }: Left): void {
    const facts = { node, error: cause };
    if (this.#left.some) this.log.debug('what was only watched waits', facts);
    else this.log.warn('what was only watched cannot be stored, and waits', facts);
    this.#left.failed(nodeId, last);
  }

  async #storeAlerts(host: KnownHost, opened: readonly Opened[]): Promise<void> {
    const done: string[] = [];
    let some = false;
    for (const { id, batch } of opened) {
      const outcome = batch && (await this.#storeOne(host, this.alerts, { id, batch }));
      this.metrics.alertsStored.inc(outcome?.stored ?? 0);
      this.metrics.alertsDuplicate.inc(outcome?.duplicates ?? 0);
      some ||= outcome !== undefined;
      done.push(id);
    }
    await this.#acknowledge(host, done, some);
  }

  /** One after the other, up to the first that cannot be stored now. */
  async #storeObserved(host: KnownHost, opened: readonly Opened[]): Promise<Left | undefined> {
    const done: string[] = [];
    let some = false;
    let left: Left | undefined;
    for (const { id, batch } of opened) {
      try {
        const outcome = batch && (await this.#storeOne(host, this.telemetryEvents, { id, batch }));
        this.metrics.telemetryEventsStored.inc(outcome?.stored ?? 0);
        some ||= outcome !== undefined;
        done.push(id);
      } catch (cause) {
        left = { cause };
        break;
      }
    }
    await this.#acknowledge(host, done, some);
    return left;
  }

  async #acknowledge(host: KnownHost, done: readonly string[], some: boolean): Promise<void> {
    if (done.length === 0) return;
    const { nodeId } = host;
    // Before the cursor, which a full Redis refuses until there is room: who is not told only sends again.
    await this.inbox.remove(nodeId, done);
    if (some) await this.inbox.writeCursor(nodeId, sealed(host, await this.#cursorOf(nodeId)));
  }

  /** Of both kinds, whichever came: one takes the place of the other's last word. */
  async #cursorOf(nodeId: string): Promise<EventCursor> {
    // Who is not told of what it watched only sends that again; alerts are told of, whatever becomes of the other store.
    const observed = await this.telemetryEvents.cursorOf(nodeId).then(
      (cursor) => this.#observedUpTo(cursor),
      (error: unknown) => this.#notObserved(nodeId, error),
    );
    const last = (await this.alerts.cursorOf(nodeId)) ?? NONE;
    return { v: 1, last, ...(observed === undefined ? {} : { observed }) };
  }

  #observedUpTo(cursor: string | undefined): string | undefined {
    if (this.#isUnread) this.log.info('the store of what was only watched can be read again');
    this.#isUnread = false;
    return cursor;
  }

  #notObserved(node: string, error: unknown): undefined {
    if (!this.#isUnread)
      this.log.warn('the store of what was only watched cannot be read', { node, error });
    this.#isUnread = true;
  }

  /** Undefined where it is refused. */
  #open(host: KnownHost, { id, sealed: bytes }: SealedEntry): AlertBatch | undefined {
    try {
      const batch = parseAlertBatch(openEvents(host.channelKey, host.nodeId, bytes), host);
      return this.clones.admitsEvents(host, batch.run) ? batch : this.#refused('clone');
    } catch (error) {
      return this.#refusedFor(error, host, id);
    }
  }

  /** Undefined where it is refused. */
  async #storeOne(
    host: KnownHost,
    store: AlertStore,
    { id, batch }: { readonly id: string; readonly batch: AlertBatch },
  ): Promise<StoreOutcome | undefined> {
    try {
      const outcome = await store.add(host.nodeId, batch);
      if (outcome.stored > 0) this.news.tell();
      return outcome;
    } catch (error) {
      return this.#refusedFor(error, host, id);
    }
  }

  /** Throws what is not the fault of what the host has sent. */
  #refusedFor(error: unknown, { node }: KnownHost, entry: string): undefined {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    this.log.warn('a batch of events was refused', { node, entry, error });
    return this.#refused(reason);
  }

  /** Dropped, and not acknowledged: who sent it keeps it. */
  #refused(reason: string): undefined {
    this.metrics.eventBatchesRefused.inc({ reason });
    return undefined;
  }
}

/** An entry and what it holds; nothing where that is refused. */
interface Opened {
  readonly id: string;
  readonly batch: AlertBatch | undefined;
}

/** Something that was only watched was not stored, for this cause. */
interface Left {
  readonly cause: unknown;
}

/** What is wrong with a batch; undefined for what is none of its fault. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof RefusedError) return error.code;
  if (error instanceof ShapeError) return 'shape';
  return error instanceof UnstorableBatch ? 'unstorable' : undefined;
}

function sealed({ channelKey, nodeId }: KnownHost, cursor: EventCursor): Uint8Array {
  return sealCursor(channelKey, nodeId, new TextEncoder().encode(JSON.stringify(cursor)));
}
