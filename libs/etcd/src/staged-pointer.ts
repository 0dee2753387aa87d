const MAGIC = Buffer.from('\0hw-staged:');

/** A value that stands for a body stored elsewhere (ADR-0002); the body's key follows from id and key. */
export function encodePointer(id: string): Buffer {
  return Buffer.concat([MAGIC, Buffer.from(id)]);
}

/** Id of the staged body that this value stands for, or undefined for an ordinary value. */
export function decodePointer(value: Buffer): string | undefined {
  if (value.length <= MAGIC.length || !value.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined;
  return value.subarray(MAGIC.length).toString();
}
