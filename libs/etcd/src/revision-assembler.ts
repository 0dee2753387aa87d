import type { IEvent } from 'etcd3';
import type { Change } from './store-types.js';

/** Puts fragments together so that a revision is handed over whole or not yet. */
export class RevisionAssembler {
  private held: Change[] = [];

  /**
   * Changes of all complete revisions. Within a fragmented answer the newest revision may go on in the next
   * fragment, so it is held back; an answer that is not a fragment always ends a revision.
   */
  push(events: readonly IEvent[], fragment: boolean): readonly Change[] {
    if (events.length === 0) return [];
    const all = [...this.held, ...events.map(toChange)];
    const newest = all.at(-1)?.modRevision;
    const isHeld = (change: Change): boolean => fragment && change.modRevision === newest;
    this.held = all.filter(isHeld);
    return all.filter((change) => !isHeld(change));
  }
}

function toChange({ type, kv }: IEvent): Change {
  // The declared type says `Put`, the wire says `PUT`.
  const put = type.toUpperCase() === 'PUT';
  return {
    type: put ? 'put' : 'delete',
    key: kv.key.toString(),
    ...(put && { value: kv.value }),
    modRevision: BigInt(kv.mod_revision),
    createRevision: BigInt(kv.create_revision),
    version: BigInt(kv.version),
  };
}
