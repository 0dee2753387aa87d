import { mkdir, open, rm, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Alert } from '#contracts';
import { errorMessage } from '../config/error-facts.js';
import { compareEventIds, latest, startOf } from './event-id.js';
import { EventSeries } from './event-series.js';
import { shiftedEntries, shiftedId, type IdShift } from './id-shift.js';
import { readFigures, writeFigures } from './spool-figures.js';
import { firstIdOf, readOrSetAside, segmentFile, segmentFiles } from './spool-files.js';
import { SpoolReserve } from './spool-reserve.js';
import { decodeSegment, entriesAfter, linesWithin, type SpoolEntry } from './spool-segment.js';

/** Alerts that wait in memory while the disk takes none (full, failing); beyond that they are counted as lost. */
const BACKLOG = 1000;

/** Where the spool lies and how large it may grow; `segmentBytes` is what is dropped at once at the cursor. */
export interface SpoolOptions {
  readonly dir: string;
  readonly maxBytes: number;
  readonly segmentBytes?: number;
  readonly now?: () => number;
}

/** An alert before it has its id. */
export type NewAlert = Omit<Alert, 'EventID'>;

/** An alert to keep, and the sensor's sequence that it brings the spool to. */
export interface NewEntry {
  readonly sensor: number;
  readonly alert: NewAlert;
}

/** Figures of the spool; `lost` is for good and survives a restart, `failure` is why the disk takes nothing now. */
export interface SpoolStatus {
  readonly bytes: number;
  readonly waiting: number;
  readonly lost: number;
  readonly failure?: string;
}

interface Segment {
  readonly file: string;
  bytes: number;
  count: number;
  last: string;
  /** Lines in it that cannot be read; they are lost, and in the figures on disk once it is removed. */
  damaged: number;
}

/**
 * Alerts on disk until the control plane has them: segments that are only appended to, one fsync a batch, removed
 * whole once the cursor has passed them. What the disk does not take waits in memory, and in the reserve. When full, new
 * alerts are not taken (and are counted): how an intrusion began is worth more than its thousandth denial, and nobody can
 * push evidence out by making noise.
 */
export class Spool {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #now: () => number;
  readonly #reserve: SpoolReserve;
  #isOpen = false;
  #segments: Segment[] = [];
  #backlog: SpoolEntry[] = [];
  #handle: FileHandle | undefined;
  #series = EventSeries.from(0);
  #acknowledged = '';
  #shifts: readonly IdShift[] = [];
  #sensor = 0;
  /** Up to which event of the sensor nothing waits in memory alone. */
  #kept = 0;
  #lost = 0;
  #failure: string | undefined;
  /** Whether all that waits for the disk is in the reserve. */
  #isReserved = false;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions) {
    this.#dir = options.dir;
    this.#maxBytes = options.maxBytes;
    this.#segmentBytes =
      options.segmentBytes ?? Math.min(1024 * 1024, Math.ceil(options.maxBytes / 8));
    this.#now = options.now ?? Date.now;
    this.#reserve = new SpoolReserve(options.dir);
  }

  /**
   * Opens or makes the spool; what a crash left half-written is cut off and counted as lost. A disk that lets nothing be
   * written is no reason to be without an agent: alerts wait in memory then. Nor is one that cannot be read now: see `isOpen`.
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    await spool.retry();
    return spool;
  }

  /**
   * Whether it is known what lies on disk. Until then nothing is to be appended: an id that is given out passes over what may
   * wait there under a lower one, which the cursor would then take for stored.
   */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Up to which event of the sensor everything was taken. */
  get sensorSequence(): number {
    return this.#sensor;
  }

  /** Up to which id everything is in the control plane's store. */
  get acknowledged(): string {
    return this.#acknowledged;
  }

  status(): SpoolStatus {
    const bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const onDisk = this.#segments
      .filter(({ last }) => compareEventIds(last, this.#acknowledged) > 0)
      .reduce((sum, segment) => sum + segment.count, 0);
    const waiting = onDisk + this.#backlog.length;
    return {
      bytes,
      waiting: this.#isOpen ? waiting : 0,
      lost: this.#segments.reduce((sum, { damaged }) => sum + damaged, this.#lost),
      ...(this.#failure === undefined ? {} : { failure: this.#failureInWords(this.#failure) }),
    };
  }

  get #hasRoom(): boolean {
    return this.status().bytes + this.#segmentBytes <= this.#maxBytes;
  }

  #failureInWords(failure: string): string {
    if (this.#backlog.length === 0 || this.#isReserved) return failure;
    return `${failure}; where the agent ends now, some that wait in memory are told again`;
  }

  /** Keeps alerts in order and gives each its id; resolves once they are on disk, or wait for a disk that fails. */
  append(entries: readonly NewEntry[]): Promise<void> {
    return this.#inTurn(() => this.#append(entries));
  }

  /** Tries a disk again that could not be read, or took nothing, though there is nothing new. */
  retry(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isOpen) await this.#open();
      else if (this.#failure !== undefined) await this.#append([]);
    });
  }

  /** Notes events that made no alert (throttled), so that they are not asked for again. */
  skipTo(sensor: number): void {
    this.#sensor = Math.max(this.#sensor, sensor);
  }

  /** Alerts after `after` in order, at most `limit` of one segment; empty when there is none. */
  read(after: string, limit: number): Promise<readonly Alert[]> {
    return this.#inTurn(() => this.#read(after, limit));
  }

  /** Forgets everything up to and with this id; only called with a cursor that was authenticated. */
  acknowledge(cursor: string): Promise<void> {
    return this.#inTurn(async () => {
      if (compareEventIds(cursor, this.#acknowledged) <= 0 || this.isForeign(cursor)) return;
      this.#acknowledged = cursor;
      this.#forgetWaiting(cursor);
      await this.#removeSegmentsUpTo(cursor);
    });
  }

  /** What the control plane took out of memory is as good as kept, unless something that was seen before it waits still. */
  #forgetWaiting(cursor: string): void {
    const isGone = ({ alert }: SpoolEntry): boolean => compareEventIds(alert.EventID, cursor) <= 0;
    const upTo = Math.max(0, ...this.#backlog.filter(isGone).map(({ sensor }) => sensor));
    this.#backlog = this.#backlog.filter((entry) => !isGone(entry));
    if (this.#backlog.every(({ sensor }) => sensor > upTo)) this.#kept = Math.max(this.#kept, upTo);
  }

  /**
   * After a cursor that is foreign. What waits below it, and what is given out from now on, gets ids above it, since the
   * store of the control plane takes none below; what was in the spool that is gone counts as one lost alert. Only called with a cursor that was
   * authenticated. Throws where the disk takes no word of it: nothing has other ids then.
   */
  startAbove(cursor: string): Promise<void> {
    return this.#inTurn(async () => {
      const [segments, backlog, shifts] = [this.#segments, this.#backlog, this.#shifts];
      const [acknowledged, lost, series] = [this.#acknowledged, this.#lost, this.#series.copy()];
      const isOnDisk = segments.some(({ last }) => compareEventIds(last, acknowledged) > 0);
      await this.#closeSegment();
      this.#shiftAbove(cursor);
      if ((await this.#writeMeta()) !== undefined || !isOnDisk) return;
      [this.#segments, this.#backlog, this.#shifts] = [segments, backlog, shifts];
      [this.#acknowledged, this.#lost, this.#series] = [acknowledged, lost, series];
      throw new Error('the spool cannot note that what it holds gets other ids: make room');
    });
  }

  #shiftAbove(cursor: string): void {
    const first = this.#firstWaiting;
    if (first !== undefined && compareEventIds(first, cursor) <= 0)
      this.#shiftWaiting(first, cursor);
    this.#acknowledged = cursor;
    this.#lost += 1;
    this.#series.know([cursor]);
    this.#series.goOnAfter([cursor, ...this.#lastIds]);
  }

  /** All that waits, so that it keeps its order. */
  #shiftWaiting(first: string, cursor: string): void {
    const after = this.#acknowledged;
    const upTo = latest([cursor, ...this.#lastIds]);
    const shift = { after, upTo, byMs: startOf(upTo) + 1 - startOf(latest([after, first])) };
    const isEmpty = this.#segments.length === 0 && !this.#reserve.isUsed;
    this.#shifts = [...(isEmpty ? [] : this.#shifts), shift];
    this.#series.shift(shift.byMs);
    this.#segments = this.#segments.map((each) => ({
      ...each,
      last: shiftedId(each.last, [shift]),
    }));
    this.#backlog = [...shiftedEntries(this.#backlog, [shift])];
  }

  /** None that waits is below it. */
  get #firstWaiting(): string | undefined {
    const segment = this.#segments.find(
      ({ last }) => compareEventIds(last, this.#acknowledged) > 0,
    );
    if (segment === undefined) return this.#backlog[0]?.alert.EventID;
    return shiftedId(firstIdOf(segment.file), this.#shifts);
  }

  get #lastIds(): readonly string[] {
    const inMemory = this.#backlog.map(({ alert }) => alert.EventID);
    return [...this.#segments.map(({ last }) => last), ...inMemory];
  }

  /**
   * Whether a cursor is none of this spool's: beyond what was ever given out, or of a run that it does not know. The folder
   * was lost then, or an older copy is in its place.
   */
  isForeign(cursor: string): boolean {
    return this.#series.isForeign(cursor);
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      // What is there is not to be written over by what nobody has read.
      if (!this.#isOpen) return;
      await this.#flushBacklog();
      await this.#closeSegment();
      await this.#writeMeta();
    });
  }

  async #append(entries: readonly NewEntry[]): Promise<void> {
    for (const entry of entries) {
      this.#sensor = Math.max(this.#sensor, entry.sensor);
      if (this.#backlog.length >= BACKLOG) this.#lost += 1;
      else
        this.#backlog.push({
          sensor: entry.sensor,
          alert: { ...entry.alert, EventID: this.#series.take() },
        });
    }
    const lost = this.#lost;
    await this.#flushBacklog();
    if (this.#lost === lost && this.#failure === undefined && !this.#reserve.isUsed)
      return this.#reserve.clear();
    const isWritten = (await this.#writeMeta()) === 'meta';
    const isOver = isWritten && this.#backlog.length === 0 && this.#hasRoom;
    if (isOver) this.#failure = undefined;
  }

  async #flushBacklog(): Promise<void> {
    const taken = this.#backlog;
    if (taken.length === 0) return;
    const fitting = linesWithin(this.#maxBytes - this.status().bytes, taken);
    try {
      if (fitting.length > 0) await this.#write(fitting);
      this.#failure =
        fitting.length < taken.length ? `it holds its ${this.#maxBytes} bytes` : undefined;
      this.#lost += taken.length - fitting.length;
      this.#backlog = [];
      this.#kept = this.#sensor;
    } catch (cause) {
      this.#failure = errorMessage(cause);
      await this.#closeSegment();
    }
  }

  async #write(lines: readonly Buffer[]): Promise<void> {
    const segment = await this.#segmentForWriting();
    const bytes = Buffer.concat(lines);
    try {
      await this.#handle?.writeFile(bytes);
      await this.#handle?.datasync();
    } catch (cause) {
      // Half a batch may be on disk: cut it off, since the whole batch is written again.
      await truncate(join(this.#dir, segment.file), segment.bytes).catch(() => undefined);
      // The next attempt may be under another name: each would leave an empty file.
      if (segment.count === 0) await this.#remove(segment);
      throw cause;
    }
    segment.bytes += bytes.length;
    segment.count += lines.length;
    segment.last = this.#backlog[lines.length - 1]?.alert.EventID ?? segment.last;
  }

  async #segmentForWriting(): Promise<Segment> {
    const current = this.#segments.at(-1);
    if (this.#handle !== undefined && current !== undefined && current.bytes < this.#segmentBytes)
      return current;
    await this.#closeSegment();
    const file = segmentFile(this.#backlog[0]?.alert.EventID ?? this.#series.first);
    this.#handle = await open(join(this.#dir, file), 'a', 0o600);
    const known = this.#segments.find((segment) => segment.file === file);
    if (known !== undefined) return known;
    const segment: Segment = { file, bytes: 0, count: 0, last: '', damaged: 0 };
    this.#segments.push(segment);
    return segment;
  }

  async #closeSegment(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  async #read(after: string, limit: number): Promise<readonly Alert[]> {
    for (const segment of this.#segments) {
      if (segment.count === 0 || compareEventIds(segment.last, after) <= 0) continue;
      const found = entriesAfter(await this.#entriesOf(segment), after);
      if (found.length > 0) return alertsOf(found, limit);
    }
    return alertsOf(entriesAfter(this.#backlog, after), limit);
  }

  /** What cannot be read any more is lost, and holds up nothing that comes after it. */
  async #entriesOf(segment: Segment): Promise<readonly SpoolEntry[]> {
    const bytes = await readOrSetAside(join(this.#dir, segment.file));
    if (bytes !== undefined) return shiftedEntries(decodeSegment(bytes).entries, this.#shifts);
    if (segment === this.#segments.at(-1)) await this.#closeSegment();
    this.#segments = this.#segments.filter((each) => each !== segment);
    this.#lost += segment.count + segment.damaged;
    return [];
  }

  /**
   * The last of them says up to where the sensor's events were taken, until the meta file does, which a full disk may not
   * let be written: the others go first, and make room for it.
   */
  async #removeSegmentsUpTo(cursor: string): Promise<void> {
    const done = this.#segments.filter(
      (segment) => segment.count > 0 && compareEventIds(segment.last, cursor) <= 0,
    );
    for (const segment of done) {
      this.#lost += segment.damaged;
      segment.damaged = 0;
    }
    const last = done.pop();
    for (const segment of done) await this.#remove(segment);
    if ((await this.#writeMeta()) === 'meta' && last !== undefined) await this.#remove(last);
  }

  async #remove(segment: Segment): Promise<void> {
    if (segment === this.#segments.at(-1)) await this.#closeSegment();
    this.#segments = this.#segments.filter((each) => each !== segment);
    await rm(join(this.#dir, segment.file), { force: true });
  }

  async #open(): Promise<void> {
    this.#failure = undefined;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 }).catch(this.#failed);
    try {
      await this.#load();
      this.#isOpen = true;
    } catch (cause) {
      return this.#failed(cause);
    }
    await this.#flushBacklog();
    await this.#removeSegmentsUpTo(this.#acknowledged).catch(this.#failed);
  }

  /** What it loses for good it counts at once, since the next attempt finds that no more. */
  async #load(): Promise<void> {
    const files = await segmentFiles(this.#dir);
    const figures = await readFigures(this.#dir, this.#setAside);
    const reserved = await this.#reserve.load(this.#setAside);
    this.#acknowledged = latest([figures.acknowledged, reserved.acknowledged]);
    // They only grow; either may be as old as before the last of them.
    const [some = [], others = []] = [figures.shifts, reserved.shifts];
    this.#shifts = some.length < others.length ? others : some;
    this.#sensor = figures.sensor;
    this.#segments = [];
    this.#series = EventSeries.from(this.#now());
    for (const file of files) await this.#loadSegment(file);
    const kept = latest([this.#acknowledged, ...this.#segments.map((each) => each.last)]);
    this.#backlog = shiftedEntries(reserved.waiting, this.#shifts).filter(
      ({ alert }) => compareEventIds(alert.EventID, kept) > 0,
    );
    this.#kept = this.#sensor;
    this.#sensor = Math.max(this.#sensor, reserved.sensor);
    this.#lost += Math.max(figures.lost, reserved.lost);
    // The clock may have gone back since: ids still grow.
    this.#series.goOnAfter([kept, ...this.#lastIds]);
    this.#series.know([this.#acknowledged, ...this.#backlog.map(({ alert }) => alert.EventID)]);
  }

  async #loadSegment(file: string): Promise<void> {
    const path = join(this.#dir, file);
    const bytes = await readOrSetAside(path);
    if (bytes === undefined) return this.#setAside(file);
    const { entries: written, soundBytes, damagedLines } = decodeSegment(bytes);
    const entries = shiftedEntries(written, this.#shifts);
    const last = entries.at(-1);
    if (last === undefined) {
      this.#lost += damagedLines;
      return rm(path, { force: true }).catch(this.#failed);
    }
    const torn = soundBytes < bytes.length ? 1 : 0;
    if (torn > 0) await truncate(path, soundBytes).catch(this.#failed);
    this.#lost += torn;
    // What was summed up stands behind newer ones.
    this.#sensor = entries.reduce((most, { sensor }) => Math.max(most, sensor), this.#sensor);
    this.#series.know(entries.map(({ alert }) => alert.EventID));
    this.#segments.push({
      file,
      bytes: soundBytes,
      count: entries.length,
      last: last.alert.EventID,
      damaged: damagedLines - torn,
    });
  }

  /** Nobody can say how many alerts it held. */
  readonly #setAside = (file: string): void => {
    this.#lost += 1;
    this.#failure = `${file} cannot be read: set aside, and counted as one lost alert`;
  };

  readonly #failed = (cause: unknown): undefined => {
    this.#failure = errorMessage(cause);
  };

  /** Where the disk took it; what it did not take goes to the reserve. Undefined where neither did. */
  async #writeMeta(): Promise<'meta' | 'reserve' | undefined> {
    const [acknowledged, lost, shifts] = [this.#acknowledged, this.#lost, this.#shifts];
    // A disk that takes these few bytes may not take the alerts: what waits in memory is asked for again, but for what is in the reserve.
    const sensor = this.#backlog.length === 0 ? this.#sensor : this.#kept;
    const isWritten = await writeFigures(this.#dir, { acknowledged, sensor, lost, shifts });
    if (isWritten && this.#backlog.length === 0) {
      await this.#reserve.clear();
      return 'meta';
    }
    const figures = { acknowledged, sensor: this.#sensor, lost, shifts };
    const reserved = await this.#reserve.write({ ...figures, waiting: this.#backlog });
    this.#isReserved = reserved === 'whole';
    if (isWritten) return 'meta';
    return reserved === 'nothing' ? undefined : 'reserve';
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

function alertsOf(entries: readonly SpoolEntry[], limit: number): readonly Alert[] {
  return entries.slice(0, limit).map(({ alert }) => alert);
}
