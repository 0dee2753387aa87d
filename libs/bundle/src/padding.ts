import { malformed } from './errors.js';

const LENGTH_BYTES = 4;
const SMALLEST_STEP = 1024;
const STEPS_PER_DOUBLING = 8;

/** Size after padding: multiples of 1 KiB, above 8 KiB eight steps a doubling, so at most an eighth is added there. */
export function paddedSize(contentBytes: number): number {
  const size = contentBytes + LENGTH_BYTES;
  const power = 2 ** Math.floor(Math.log2(size));
  const step = Math.max(SMALLEST_STEP, power / STEPS_PER_DOUBLING);
  return Math.ceil(size / step) * step;
}

/** Length (u32, big-endian), content, zeros up to the next step: the size tells little about the content. */
export function pad(content: Uint8Array): Buffer {
  const padded = Buffer.alloc(paddedSize(content.byteLength));
  padded.writeUInt32BE(content.byteLength, 0);
  padded.set(content, LENGTH_BYTES);
  return padded;
}

/** Refuses every padding but the one that `pad` makes. */
export function unpad(padded: Buffer, path: string): Buffer {
  if (padded.byteLength < LENGTH_BYTES) malformed(path, 'is cut short');
  const end = LENGTH_BYTES + padded.readUInt32BE(0);
  if (end > padded.byteLength || paddedSize(end - LENGTH_BYTES) !== padded.byteLength) {
    malformed(path, 'is not padded to a step');
  }
  if (padded.subarray(end).some((byte) => byte !== 0))
    malformed(path, 'has padding that is not zero');
  return padded.subarray(LENGTH_BYTES, end);
}
