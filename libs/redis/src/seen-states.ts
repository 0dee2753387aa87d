/** Format, purpose, key hint and nonce of a sealed message (docs/reference/protocol/delivery.md): no two messages have them alike. */
const HEAD_BYTES = 22;

/** By which state each host was seen last, so that the same one need not be read again. */
export class SeenStates {
  static readonly HEAD_BYTES = HEAD_BYTES;
  /** Heads by node id, a character a byte. */
  readonly #heads = new Map<string, string>();

  /** True where there is no state (`head` undefined), or it is the one that was added last. */
  has(nodeId: string, head: Buffer | undefined): boolean {
    return head === undefined || this.#heads.get(nodeId) === textOf(head);
  }

  add(nodeId: string, state: Buffer): void {
    this.#heads.set(nodeId, textOf(state));
  }

  forget(nodeId: string): void {
    this.#heads.delete(nodeId);
  }
}

function textOf(bytes: Buffer): string {
  return bytes.toString('latin1', 0, HEAD_BYTES).padEnd(HEAD_BYTES, '\0');
}
