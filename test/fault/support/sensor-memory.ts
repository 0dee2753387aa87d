import { readFile, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { encodeFrame, FrameDecoder, numberField, TAG, textField } from '#sensor';
import { HEADER_BYTES } from '../../../libs/sensor/src/protocol.js';

/**
 * Has the memory of a sensor that does not run say that the kernel denied something to the agent since the last swap: on
 * this evidence a sensor falls back, and the kernel of a run denies nothing.
 */
export async function rememberDenial(file: string): Promise<void> {
  const [frame] = new FrameDecoder().push(await readFile(file));
  if (frame === undefined) throw new Error(`${file} holds no whole frame`);
  const { type, request } = frame;
  const fields = frame.fields.list
    .filter(({ tag }) => tag !== TAG.CHECKSUM)
    .map((field) => (field.tag === TAG.CODE ? textField(TAG.CODE, 'denied') : field));
  const payload = encodeFrame(type, request, fields).subarray(HEADER_BYTES);
  const checksum = numberField(TAG.CHECKSUM, crc32(payload));
  await writeFile(file, encodeFrame(type, request, [...fields, checksum]));
}
