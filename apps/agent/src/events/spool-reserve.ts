import { open, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../config/atomic-file.js';
import { shiftsOf } from './id-shift.js';
import type { Figures } from './spool-figures.js';
import { readIfThere, type OnSetAside } from './spool-files.js';
import { decodeLine, encodeLine, type SpoolEntry } from './spool-segment.js';

const FILE = 'reserve';
export const RESERVE_BYTES = 1024 * 1024;
const SLOT_BYTES = RESERVE_BYTES / 2;
/** For the braces, commas and numbers around the entries and shifts. */
const AROUND_BYTES = 1024;
const NOTHING: Reserved = { acknowledged: '', sensor: 0, lost: 0, waiting: [] };

/** What a disk that is full did not take: the figures, and the alerts that wait. */
export interface Reserved extends Figures {
  readonly waiting: readonly SpoolEntry[];
}

interface Slot extends Reserved {
  /** Grows with each write: of two sound slots the one with the greater number counts. */
  readonly number: number;
}

/**
 * A file that has its blocks beforehand and is overwritten in place, which a full disk allows. Two slots are written in
 * turn, so that one of them is whole whenever the agent ends.
 */
export class SpoolReserve {
  readonly #dir: string;
  readonly #path: string;
  #number = 0;
  #isMade = false;
  #isUsed = false;

  constructor(dir: string) {
    this.#dir = dir;
    this.#path = join(dir, FILE);
  }

  /** Whether it holds what is nowhere else. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /**
   * What was written last; nothing where the file is none of ours, and that is made anew once it is cleared. Throws where it
   * may be read another time.
   */
  async load(onSetAside: OnSetAside): Promise<Reserved> {
    const bytes = (await readIfThere(this.#path, onSetAside)) ?? Buffer.alloc(0);
    const newest = [0, SLOT_BYTES]
      .flatMap((start) => slotAt(bytes, start) ?? [])
      .toSorted((a, b) => b.number - a.number)
      .at(0);
    this.#isMade = await isAllocated(this.#path);
    this.#number = newest?.number ?? 0;
    this.#isUsed = newest !== undefined && newest.sensor > 0;
    return newest ? { ...newest, shifts: shiftsOf(newest.shifts) } : NOTHING;
  }

  /**
   * Resolves with whether everything is in it, or the figures and a part of the alerts, or nothing. Where not all alerts fit
   * the oldest are in it, and the sensor is to be asked again for the others.
   */
  async write(content: Reserved): Promise<'whole' | 'part' | 'nothing'> {
    const fitting = fittingOf(content);
    const isWritten = await this.#overwrite(fitting);
    this.#isUsed ||= isWritten;
    if (!isWritten) return 'nothing';
    return fitting === content ? 'whole' : 'part';
  }

  /** Everything is elsewhere on disk by now. Makes the file where there is none, if there is room. */
  async clear(): Promise<void> {
    if (!this.#isMade) return this.#make();
    if (this.#isUsed) this.#isUsed = !(await this.#overwrite(NOTHING));
  }

  async #make(): Promise<void> {
    if (!(await hasRoom(this.#dir))) return;
    this.#isMade = await writeFileAtomic(this.#path, Buffer.alloc(RESERVE_BYTES), {
      mode: 0o600,
    }).then(
      () => true,
      () => false,
    );
    if (this.#isMade) this.#isUsed = false;
  }

  async #overwrite(content: Reserved): Promise<boolean> {
    const number = this.#number + 1;
    const line = encodeLine({ number, ...content } satisfies Slot);
    const isWritten = await overwrite(this.#path, line, (number % 2) * SLOT_BYTES).catch(
      () => false,
    );
    if (isWritten) this.#number = number;
    return isWritten;
  }
}

async function overwrite(path: string, bytes: Buffer, at: number): Promise<boolean> {
  const handle = await open(path, 'r+');
  try {
    const { bytesWritten } = await handle.write(bytes, 0, bytes.length, at);
    await handle.datasync();
    return bytesWritten === bytes.length;
  } finally {
    await handle.close();
  }
}

function slotAt(bytes: Buffer, start: number): Slot | undefined {
  const slot = bytes.subarray(start, start + SLOT_BYTES);
  const end = slot.indexOf(0x0a);
  return end === -1 ? undefined : decodeLine<Slot>(slot.toString('utf8', 0, end));
}

/** The same, or what of it fits into a slot: no alert whose event the sensor is asked for again. */
function fittingOf(content: Reserved): Reserved {
  let room = SLOT_BYTES - AROUND_BYTES - JSON.stringify(content.shifts ?? []).length;
  const end = content.waiting.findIndex(
    (entry) => (room -= Buffer.byteLength(JSON.stringify(entry)) + 1) < 0,
  );
  if (end === -1) return content;
  const beyond = content.waiting.slice(end).map((entry) => entry.sensor);
  const sensor = Math.min(...beyond) - 1;
  const waiting = content.waiting.slice(0, end).filter((entry) => entry.sensor <= sensor);
  return { ...content, sensor, waiting };
}

/** Has all its blocks: one that a backup brought back may have holes for its zeros. */
async function isAllocated(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === RESERVE_BYTES && found.blocks * 512 >= RESERVE_BYTES;
}

/** And as much again beside it: what is nearly full must not be filled by looking whether there is room. */
async function hasRoom(dir: string): Promise<boolean> {
  const disk = await statfs(dir).catch(() => undefined);
  return disk !== undefined && disk.bavail * disk.bsize >= 2 * RESERVE_BYTES;
}
