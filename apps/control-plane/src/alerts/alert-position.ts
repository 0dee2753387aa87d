/** Where a reader of alerts stands. */
export interface AlertPosition {
  /** Whose number it is; absent where a version before this one gave it. */
  readonly store?: string;
  /** The last number that the reader has. */
  readonly id: number;
}

/** As a reader is given it, and gives it back. */
export function positionText({ store, id }: AlertPosition): string {
  return store === undefined ? String(id) : `${store}-${id}`;
}

/** Undefined where the text is none. */
export function readPosition(text: string): AlertPosition | undefined {
  const found = /^(?:([0-9a-f]{8})-)?([0-9]{1,15})$/.exec(text);
  return found ? { store: found[1], id: Number(found[2]) } : undefined;
}
