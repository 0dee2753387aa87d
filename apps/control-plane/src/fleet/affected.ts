/** What a change means for delivery: hosts whose assignment may differ now, and hosts that are no longer ours. */
export class Affected {
  readonly nodes = new Set<string>();
  /** Names of hosts that are not there any more. */
  readonly removed = new Set<string>();
  /** Node ids that were offboarded or revoked. */
  readonly gone = new Set<string>();

  add(nodes: Iterable<string>): void {
    for (const node of nodes) this.nodes.add(node);
  }
}
