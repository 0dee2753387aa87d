import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  ABI_VERSION,
  bytesField,
  encodeFrame,
  FIELD_HEADER_BYTES,
  FrameDecoder,
  HEADER_BYTES,
  MAGIC,
  MAX_FRAME_BYTES,
  MSG,
  numberField,
  OPTIONAL_TAGS,
  ProtocolError,
  TAG,
  textField,
} from './protocol.js';

const header = readFileSync(new URL('../native/include/hostward-abi.h', import.meta.url), 'utf8');

function defines(prefix: string): Record<string, number> {
  const found = header.matchAll(new RegExp(`^#define ${prefix}(\\w+) (0x[0-9a-f]+|\\d+)u`, 'gm'));
  const pairs = [...found].map(([, name = '', value]): [string, number] => [name, Number(value)]);
  return Object.fromEntries(pairs);
}

function raw(type: number, payload: number[], change?: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, ABI_VERSION, true);
  view.setUint16(6, type, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  change?.(view);
  return bytes;
}

describe('the mirror of hostward-abi.h', () => {
  it('has the same messages with the same numbers', () => {
    expect(defines('HW_MSG_')).toEqual(MSG);
  });

  it('has the same tags with the same numbers', () => {
    expect(defines('HW_TAG_')).toEqual(TAG);
  });

  it('has the same bounds', () => {
    expect(defines('HW_')).toMatchObject({
      MAGIC,
      ABI_VERSION,
      HEADER_BYTES,
      FIELD_HEADER_BYTES,
      MAX_FRAME_BYTES,
      OPTIONAL_TAGS,
    });
  });
});

describe('frames', () => {
  it('come back as they were sent, wherever the stream is cut', () => {
    const tags = fc.constantFrom(...Object.values(TAG));
    const field = fc.record({ tag: tags, value: fc.uint8Array({ maxLength: 40 }) });
    const message = fc.record({
      type: fc.constantFrom(...Object.values(MSG)),
      request: fc.integer({ min: 0, max: 0xffff_ffff }),
      fields: fc.array(field, { maxLength: 5 }),
    });
    const property = fc.property(
      fc.array(message, { maxLength: 4 }),
      fc.integer({ min: 1, max: 30 }),
      (sent, cut) => {
        const stream = Buffer.concat(
          sent.map((one) => encodeFrame(one.type, one.request, one.fields)),
        );
        const decoder = new FrameDecoder();
        const got = [];
        for (let at = 0; at < stream.length; at += cut)
          got.push(...decoder.push(stream.subarray(at, at + cut)));
        expect(got.map(({ type, request }) => ({ type, request }))).toEqual(
          sent.map(({ type, request }) => ({ type, request })),
        );
        expect(
          got.map(({ fields }) => fields.list.map(({ tag, value }) => [tag, [...value]])),
        ).toEqual(sent.map(({ fields }) => fields.map(({ tag, value }) => [tag, [...value]])));
        expect(decoder.pendingBytes).toBe(0);
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  it('carry numbers up to 2^64-1 and refuse what does not fit', () => {
    const [frame] = new FrameDecoder().push(
      encodeFrame(MSG.CONFIRM, 1, [numberField(TAG.EPOCH, 0xffff_ffff_ffff_ffffn)]),
    );
    expect(frame?.fields.number(TAG.EPOCH)).toBe(0xffff_ffff_ffff_ffffn);
    expect(() => numberField(TAG.EPOCH, -1)).toThrow(ProtocolError);
    expect(() => numberField(TAG.EPOCH, 1n << 64n)).toThrow(ProtocolError);
  });

  it('are read without what a later version may leave out', () => {
    const optional = [OPTIONAL_TAGS & 0xff, OPTIONAL_TAGS >> 8, 0, 0, 1, 0, 0, 0, 9];
    const [frame] = new FrameDecoder().push(
      raw(MSG.HELLO, [...optional, TAG.VERSION, 0, 0, 0, 1, 0, 0, 0, 0x31]),
    );
    expect(frame?.fields.list).toHaveLength(1);
    expect(frame?.fields.text(TAG.VERSION)).toBe('1');
  });

  it.each([
    ['a wrong magic', raw(MSG.HELLO, [], (view) => view.setUint32(0, 1, true))],
    ['another version', raw(MSG.HELLO, [], (view) => view.setUint16(4, 2, true))],
    ['an unknown message', raw(999, [])],
    [
      'a length above the bound',
      raw(MSG.HELLO, [], (view) => view.setUint32(8, MAX_FRAME_BYTES + 1, true)),
    ],
    ['an unknown tag', raw(MSG.HELLO, [0xff, 0, 0, 0, 0, 0, 0, 0])],
    ['a reserved half that is not zero', raw(MSG.HELLO, [1, 0, 1, 0, 0, 0, 0, 0])],
    ['a field that runs past its frame', raw(MSG.HELLO, [1, 0, 0, 0, 1, 0, 0, 0])],
    ['a field header that is cut', raw(MSG.HELLO, [1, 0, 0])],
  ])('with %s are refused and the stream stays broken', (_what, bytes) => {
    const decoder = new FrameDecoder();
    expect(() => decoder.push(bytes)).toThrow(ProtocolError);
    expect(() => decoder.push(encodeFrame(MSG.HELLO, 1, []))).toThrow(ProtocolError);
  });

  it('refuse text that is not UTF-8 and numbers of another width', () => {
    const fields = [bytesField(TAG.CODE, Uint8Array.of(0xff)), textField(TAG.EPOCH, '1')];
    const [frame] = new FrameDecoder().push(encodeFrame(MSG.ERROR, 0, fields));
    expect(() => frame?.fields.text(TAG.CODE)).toThrow(ProtocolError);
    expect(() => frame?.fields.number(TAG.EPOCH)).toThrow(ProtocolError);
  });

  it('larger than the bound are not sent', () => {
    const large = bytesField(TAG.ENVELOPE, new Uint8Array(MAX_FRAME_BYTES));
    expect(() => encodeFrame(MSG.APPLY, 1, [large])).toThrow(ProtocolError);
  });
});
