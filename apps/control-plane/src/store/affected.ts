/**
 * What a change means: hosts whose assignment may differ now, hosts that look different, and hosts that are no longer ours.
 */
export class Affected {
  readonly nodes = new Set<string>();
  /** Names of hosts that are not there any more. */
  readonly removed = new Set<string>();
  /** Names of hosts that whoever follows them sees otherwise, though nothing else is delivered to them. */
  readonly shown = new Set<string>();
  /** Node ids that were offboarded or revoked. */
  readonly gone = new Set<string>();
  /** Node ids that are under another name now, or were removed and made again at once: the same machines as before. */
  readonly moved = new Set<string>();

  add(nodes: Iterable<string>): void {
    for (const node of nodes) this.nodes.add(node);
  }

  show(nodes: Iterable<string>): void {
    for (const node of nodes) this.shown.add(node);
  }
}
