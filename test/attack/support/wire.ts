import type { Recording } from '#testing';

const TLS_RECORD_TYPES = [20, 21, 22, 23];
const HEADER_BYTES = 5;
/** RFC 8446: 2^14 bytes and what the cipher adds. */
const MAX_RECORD_BYTES = 16_384 + 256;

/** Forms of `words` that are found in `bytes`: as they are, in UTF-16, in hex, and in base64 at each of its three places. */
export function leaks(bytes: Buffer, words: readonly string[]): string[] {
  return words.flatMap((word) =>
    Object.entries(formsOf(word)).flatMap(([form, needle]) =>
      bytes.includes(needle) ? [`${word} (${form})`] : [],
    ),
  );
}

function formsOf(word: string): Record<string, Buffer | string> {
  const bytes = Buffer.from(word);
  const places = [0, 1, 2].map((place) => [`base64 at ${place}`, inBase64(bytes, place)] as const);
  return {
    clear: bytes,
    'UTF-16': Buffer.from(word, 'utf16le'),
    hex: bytes.toString('hex'),
    ...Object.fromEntries(places),
  };
}

/** The characters that depend on the word alone, when `before` bytes stand before it in its group of three. */
function inBase64(word: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), word]).toString('base64url');
  const complete = Math.floor((before + word.length) / 3) * 4;
  return text.slice(before === 0 ? 0 : 4, complete);
}

/** Both directions of all connections, one after the other. */
export function everything(recordings: readonly Recording[]): Buffer {
  return Buffer.concat(recordings.flatMap(({ toTarget, toClient }) => [...toTarget, ...toClient]));
}

/** What in a connection is not a TLS record, from its first byte to its last; undefined where all is. */
export function notTls({ toTarget, toClient }: Recording): string | undefined {
  return strayBytes(Buffer.concat(toTarget)) ?? strayBytes(Buffer.concat(toClient));
}

function strayBytes(stream: Buffer): string | undefined {
  for (let at = 0; at + HEADER_BYTES <= stream.length;) {
    const length = stream.readUInt16BE(at + 3);
    const sound =
      TLS_RECORD_TYPES.includes(stream[at] ?? 0) &&
      stream[at + 1] === 3 &&
      length <= MAX_RECORD_BYTES;
    if (!sound) return `at ${at}: ${stream.subarray(at, at + 40).toString('latin1')}`;
    at += HEADER_BYTES + length;
  }
  return undefined;
}
