/**
 * Frames of the sensor's socket. Mirror of libs/sensor/native/include/hostward-abi.h, which explains every message and
 * tag; protocol.spec.ts reads that header and holds both equal. Strict both ways: what the native side would refuse is
 * refused here too, so that a drift between the two shows as an error and not as a misread number.
 */
export const MAGIC = 0x31445748;
export const ABI_VERSION = 1;
export const HEADER_BYTES = 16;
export const FIELD_HEADER_BYTES = 8;
export const MAX_FRAME_BYTES = 33_554_432;
/** Unknown tags from here on are passed over. */
export const OPTIONAL_TAGS = 32_768;

/** Message types, `HW_MSG_*`. */
export const MSG = {
  HELLO: 1,
  HELLO_OK: 2,
  APPLY: 3,
  APPLIED: 4,
  STATUS: 5,
  STATUS_OK: 6,
  CONFIRM: 7,
  SUSPEND: 8,
  RESUME: 9,
  SUBSCRIBE: 10,
  EVENT: 11,
  DONE: 12,
  ERROR: 13,
  RECHECK: 14,
  UNLOAD: 15,
  COMPILE: 32,
  COMPILED: 33,
  REJECTED: 34,
  SNAPSHOT: 64,
  MEMORY: 65,
} as const;

/** Field tags, `HW_TAG_*`. */
export const TAG = {
  VERSION: 1,
  STATE: 2,
  ENVELOPE: 3,
  EPOCH: 4,
  GENERATION: 5,
  ISSUED_AT: 6,
  EXPIRES_AT: 7,
  DIGEST: 8,
  REPORT: 9,
  CODE: 10,
  MESSAGE: 11,
  MODE: 12,
  UNTIL: 13,
  REASON: 14,
  SEQUENCE: 15,
  EVENT: 16,
  LOADED_NAME: 17,
  PROFILE_NAME: 18,
  ENFORCE: 19,
  AUDIT: 20,
  OPEN: 21,
  TEXT: 22,
  PROBE: 23,
  SUSPEND_MODE: 24,
  SUSPEND_UNTIL: 25,
  SUSPEND_REASON: 26,
  DROPIN: 27,
  CHECKSUM: 28,
  HOLD: 29,
  CONFIRM_STATE: 30,
  SINCE: 31,
  BY: 32,
  SEEN_AT: 33,
  OVERRIDES: 34,
  VALID_UNTIL: 35,
  ROOT: 36,
  MINIMUM_VERSIONS: 37,
  TABLE: 38,
  SUBJECT_NAME: 39,
  BPF_LSM: 40,
  ENDED_AT: 41,
  KILL_HOLDERS: 42,
  DEVICES: 43,
  VISIBILITY: 44,
  TIME_LIMIT: 45,
  AGAIN: 46,
  LINKS: 47,
  EFFECT: 48,
} as const;

export type MessageType = (typeof MSG)[keyof typeof MSG];
export type Tag = (typeof TAG)[keyof typeof TAG];

const MESSAGE_TYPES: ReadonlySet<number> = new Set(Object.values(MSG));
const TAGS: ReadonlySet<number> = new Set(Object.values(TAG));

/** The peer broke the protocol: the connection must be closed, nothing that follows can be trusted. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** One field of a payload; `value` are its bytes as they travel. */
export interface Field {
  readonly tag: Tag;
  readonly value: Uint8Array;
}

/** A message as it travels. `request` is chosen by the asker and echoed; 0 in what nobody asked for. */
export interface Frame {
  readonly type: MessageType;
  readonly request: number;
  readonly fields: Fields;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Fields of one payload, in order; tags may repeat. */
export class Fields {
  constructor(readonly list: readonly Field[]) {}

  bytes(tag: Tag): Uint8Array | undefined {
    return this.list.find((field) => field.tag === tag)?.value;
  }

  /** @throws ProtocolError if the field is not UTF-8 */
  text(tag: Tag): string | undefined {
    const bytes = this.bytes(tag);
    return bytes === undefined ? undefined : decodeText(tag, bytes);
  }

  texts(tag: Tag): readonly string[] {
    return this.list
      .filter((field) => field.tag === tag)
      .map((field) => decodeText(tag, field.value));
  }

  /** @throws ProtocolError unless the field has exactly 8 bytes */
  number(tag: Tag): bigint | undefined {
    const bytes = this.bytes(tag);
    if (bytes === undefined) return undefined;
    if (bytes.length !== 8)
      throw new ProtocolError(`field ${tag} is a number of 8 bytes, got ${bytes.length}`);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  }
}

function decodeText(tag: Tag, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new ProtocolError(`field ${tag} is not UTF-8`, { cause });
  }
}

/** A text field. */
export function textField(tag: Tag, value: string): Field {
  return { tag, value: new TextEncoder().encode(value) };
}

/** A number field: u64. @throws ProtocolError outside 0 .. 2^64-1 */
export function numberField(tag: Tag, value: bigint | number): Field {
  const wide = BigInt(value);
  if (wide < 0n || wide > U64_MAX)
    throw new ProtocolError(`field ${tag}: ${wide} is not an unsigned 64-bit number`);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, wide, true);
  return { tag, value: bytes };
}

/** An opaque field. */
export function bytesField(tag: Tag, value: Uint8Array): Field {
  return { tag, value };
}

/** One frame as bytes. @throws ProtocolError when it would exceed `MAX_FRAME_BYTES` */
export function encodeFrame(
  type: MessageType,
  request: number,
  fields: readonly Field[],
): Uint8Array {
  const length = fields.reduce((sum, field) => sum + FIELD_HEADER_BYTES + field.value.length, 0);
  if (length > MAX_FRAME_BYTES) {
    throw new ProtocolError(
      `message ${type} has ${length} bytes, at most ${MAX_FRAME_BYTES} may be sent`,
    );
  }
  const bytes = new Uint8Array(HEADER_BYTES + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, ABI_VERSION, true);
  view.setUint16(6, type, true);
  view.setUint32(8, length, true);
  view.setUint32(12, request, true);
  writeFields(bytes, view, fields);
  return bytes;
}

function writeFields(bytes: Uint8Array, view: DataView, fields: readonly Field[]): void {
  let at = HEADER_BYTES;
  for (const { tag, value } of fields) {
    view.setUint16(at, tag, true);
    view.setUint32(at + 4, value.length, true);
    bytes.set(value, at + FIELD_HEADER_BYTES);
    at += FIELD_HEADER_BYTES + value.length;
  }
}

/** Reads frames out of a byte stream cut at any place. After a ProtocolError it stays broken: close the connection. */
export class FrameDecoder {
  private chunks: Uint8Array[] = [];
  private buffered = 0;
  private broken = false;

  /** Bytes of an unfinished frame: above 0 for long means that the peer hangs in the middle of one. */
  get pendingBytes(): number {
    return this.buffered;
  }

  push(chunk: Uint8Array): readonly Frame[] {
    if (this.broken) throw new ProtocolError('the stream is broken since an earlier frame');
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    try {
      return this.take();
    } catch (error) {
      this.broken = true;
      throw error;
    }
  }

  private take(): Frame[] {
    const frames: Frame[] = [];
    for (;;) {
      const header = this.peekHeader();
      if (!header || this.buffered < HEADER_BYTES + header.length) return frames;
      const bytes = this.consume(HEADER_BYTES + header.length);
      frames.push({ ...header, fields: decodeFields(bytes.subarray(HEADER_BYTES)) });
    }
  }

  private peekHeader(): (Pick<Frame, 'type' | 'request'> & { length: number }) | undefined {
    if (this.buffered < HEADER_BYTES) return undefined;
    if ((this.chunks[0]?.length ?? 0) < HEADER_BYTES) this.chunks = [this.joined()];
    return decodeHeader(this.chunks[0] ?? new Uint8Array());
  }

  private consume(length: number): Uint8Array {
    const all = this.joined();
    this.chunks = all.length > length ? [all.subarray(length)] : [];
    this.buffered -= length;
    return all.subarray(0, length);
  }

  private joined(): Uint8Array {
    const [only] = this.chunks;
    return this.chunks.length === 1 && only ? only : Buffer.concat(this.chunks);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function decodeHeader(bytes: Uint8Array): { type: MessageType; request: number; length: number } {
  const view = viewOf(bytes);
  const [magic, version, type] = [
    view.getUint32(0, true),
    view.getUint16(4, true),
    view.getUint16(6, true),
  ];
  const [length, request] = [view.getUint32(8, true), view.getUint32(12, true)];
  if (magic !== MAGIC)
    throw new ProtocolError(`magic is ${magic.toString(16)}, not ${MAGIC.toString(16)}`);
  if (version !== ABI_VERSION)
    throw new ProtocolError(`the peer speaks version ${version}, we speak ${ABI_VERSION}`);
  if (!isMessageType(type)) throw new ProtocolError(`message type ${type} is not known`);
  if (length > MAX_FRAME_BYTES)
    throw new ProtocolError(`a frame of ${length} bytes, at most ${MAX_FRAME_BYTES}`);
  return { type, request, length };
}

function decodeFields(payload: Uint8Array): Fields {
  const view = viewOf(payload);
  const list: Field[] = [];
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < FIELD_HEADER_BYTES)
      throw new ProtocolError('a field header runs past its frame');
    const [tag, zero, length] = [
      view.getUint16(at, true),
      view.getUint16(at + 2, true),
      view.getUint32(at + 4, true),
    ];
    at += FIELD_HEADER_BYTES;
    if (!isTag(tag) && tag < OPTIONAL_TAGS)
      throw new ProtocolError(`field tag ${tag} is not known`);
    if (zero !== 0) throw new ProtocolError(`the reserved half of field ${tag} is ${zero}, not 0`);
    if (length > payload.length - at) throw new ProtocolError(`field ${tag} runs past its frame`);
    if (isTag(tag)) list.push({ tag, value: payload.subarray(at, at + length) });
    at += length;
  }
  return new Fields(list);
}

function isMessageType(value: number): value is MessageType {
  return MESSAGE_TYPES.has(value);
}

function isTag(value: number): value is Tag {
  return TAGS.has(value);
}
