import type { Write } from '#etcd';
import { FleetState } from './fleet-state.js';

const FIRST = { modRevision: 1n, createRevision: 1n, version: 1n } as const;

/**
 * Throws where one of these records could not be read again. Every control plane would call itself not ready for it, and none
 * could take it away. That it comes as far as here is a bound that is missing where it came in.
 */
export function checkReadable(writes: readonly Write[]): void {
  const puts = writes.filter((write) => write.type === 'put');
  const changes = puts.map((put) => ({ ...FIRST, ...put, value: Buffer.from(put.value) }));
  const read = new FleetState();
  read.apply({ type: 'changes', revision: 1n, changes });
  for (const [key, why] of read.unreadable)
    throw new Error(`${key} could not be read again: ${why}`);
}
