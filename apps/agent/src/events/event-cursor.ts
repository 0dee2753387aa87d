import { openCursor } from '#bundle';
import { parseEventId } from './event-id.js';

/** Ids up to which the control plane has stored what it was sent; absent: nothing yet. */
export interface EventCursor {
  readonly last?: string;
  readonly observed?: string;
}

/** Opens what the control plane sealed for this host. @throws where it is a forgery, or of another epoch */
export function openEventCursor(
  channelKey: Buffer,
  nodeId: string,
  sealed: Uint8Array,
): EventCursor {
  const { v, last, observed } = JSON.parse(
    openCursor(channelKey, nodeId, sealed).toString('utf8'),
  ) as Readonly<Record<string, unknown>>;
  return v === 1 ? { last: idOf(last), observed: idOf(observed) } : {};
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && parseEventId(value) !== undefined ? value : undefined;
}
