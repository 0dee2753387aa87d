import { crc32 } from 'node:zlib';
import type { Alert } from '#contracts';
import { compareEventIds } from './event-id.js';

/** One alert as it lies in the spool, with the sensor's sequence up to which events were taken. */
export interface SpoolEntry {
  readonly sensor: number;
  readonly alert: Alert;
}

/** A line: checksum, space, JSON, newline; a torn or altered line is found by its checksum. */
export function encodeLine(value: unknown): Buffer {
  const json = JSON.stringify(value);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

/** What a line without its newline holds; undefined where it is not sound. */
export function decodeLine<T>(line: string): T | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(json)) return undefined;
  try {
    // Its checksum proves that this program wrote it, so its shape is ours.
    return JSON.parse(json) as T;
  } catch {
    return undefined;
  }
}

/** What a segment holds: entries in order, the bytes that are sound, and how many lines are not. */
export interface SegmentContent {
  readonly entries: readonly SpoolEntry[];
  readonly soundBytes: number;
  readonly damagedLines: number;
}

/**
 * Reads a segment; a line that does not check is left out and counted, wherever it is. `soundBytes` ends before a
 * torn last line, so that the writer may go on there.
 */
export function decodeSegment(bytes: Buffer): SegmentContent {
  const entries: SpoolEntry[] = [];
  let soundBytes = 0;
  let damagedLines = 0;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    const line = newline === -1 ? '' : bytes.toString('utf8', start, end);
    const entry = decodeLine<SpoolEntry>(line);
    if (entry === undefined) damagedLines += 1;
    else entries.push(entry);
    if (newline !== -1) soundBytes = newline + 1;
    start = end + 1;
  }
  return { entries, soundBytes, damagedLines };
}

/** Lines of entries, from the first on, as far as they fit into so many bytes. */
export function linesWithin(bytes: number, entries: readonly SpoolEntry[]): readonly Buffer[] {
  let room = bytes;
  const lines: Buffer[] = [];
  for (const line of entries.map(encodeLine)) {
    room -= line.length;
    if (room < 0) break;
    lines.push(line);
  }
  return lines;
}

/** Those whose id is greater, in their order. */
export function entriesAfter(entries: readonly SpoolEntry[], after: string): readonly SpoolEntry[] {
  return entries.filter(({ alert }) => compareEventIds(alert.EventID, after) > 0);
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
