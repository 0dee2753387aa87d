import type { Affected } from '../store/affected.js';
import type { FleetState } from '../store/fleet-state.js';
import type { NodeRecord } from '../records/node.record.js';

/** Hosts whose user on Redis changes by itself as time goes on: until a cut-off, or the secret before this one, has ended. */
export class TimedAccess {
  /** By node id, in ms since 1970; each host only until the last of them. */
  readonly #ends = new Map<string, readonly number[]>();

  /** Takes a change, after which the users of the hosts that it touches are set anyway. */
  take({ nodes, gone }: Affected, state: FleetState, nowMs: number): void {
    for (const nodeId of gone) this.#ends.delete(nodeId);
    for (const name of nodes) {
      const record = state.nodes.get(name)?.record;
      if (record?.enrollment)
        this.#keep(
          record.enrollment.nodeId,
          endsOf(record).filter((end) => end > nowMs),
        );
    }
  }

  /** Node ids of those of which something has ended since this was asked last. */
  due(nowMs: number): readonly string[] {
    const due = [...this.#ends].filter(([, ends]) => ends.some((end) => end <= nowMs));
    for (const [nodeId, ends] of due)
      this.#keep(
        nodeId,
        ends.filter((end) => end > nowMs),
      );
    return due.map(([nodeId]) => nodeId);
  }

  #keep(nodeId: string, ends: readonly number[]): void {
    if (ends.length === 0) this.#ends.delete(nodeId);
    else this.#ends.set(nodeId, ends);
  }
}

function endsOf({ cutOff, enrollment }: NodeRecord): readonly number[] {
  const untils = [cutOff?.until, enrollment?.redisSecret.previous?.until];
  return untils.flatMap((until) => (until === undefined ? [] : [Date.parse(until)]));
}
