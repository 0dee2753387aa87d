import { limits } from './limits.js';
import { openMessage, sealMessage } from './sealed-message.js';

/** Seals a NodeReport's bytes for `hw:n:{id}:state`. Host to control plane. */
export function sealReport(channelKey: Uint8Array, nodeId: string, report: Uint8Array): Buffer {
  return sealMessage(channelKey, 'report', [nodeId], report);
}

/** Opens a report. That it is the newest is not checked here: `bootedAt` and `sequence` inside say so. */
export function openReport(channelKey: Uint8Array, nodeId: string, sealed: Uint8Array): Buffer {
  return openMessage(channelKey, 'report', [nodeId], sealed, limits.reportBytes);
}

/** Seals the envelope of a host's signed status, as JSON, for `hw:n:{id}:stmt`. Host to control plane. */
export function sealSignedStatus(
  channelKey: Uint8Array,
  nodeId: string,
  envelope: Uint8Array,
): Buffer {
  return sealMessage(channelKey, 'signed-status', [nodeId], envelope);
}

/** Opens it. Neither its signature is checked here nor that it is the newest: who asks for it does. */
export function openSignedStatus(
  channelKey: Uint8Array,
  nodeId: string,
  sealed: Uint8Array,
): Buffer {
  return openMessage(
    channelKey,
    'signed-status',
    [nodeId],
    sealed,
    limits.signedStatusEnvelopeBytes,
  );
}

/** Seals one AlertBatch's bytes for the host's event stream. Host to control plane. */
export function sealEvents(channelKey: Uint8Array, nodeId: string, batch: Uint8Array): Buffer {
  return sealMessage(channelKey, 'events', [nodeId], batch);
}

/** Opens an event batch; replayed ones are found by event id. */
export function openEvents(channelKey: Uint8Array, nodeId: string, sealed: Uint8Array): Buffer {
  return openMessage(channelKey, 'events', [nodeId], sealed, limits.eventBatchBytes);
}

/** Seals an EventCursor's bytes for `hw:n:{id}:cur`. Control plane to host. */
export function sealCursor(channelKey: Uint8Array, nodeId: string, cursor: Uint8Array): Buffer {
  return sealMessage(channelKey, 'cursor', [nodeId], cursor);
}

/** Opens a cursor. An old one is harmless: the host never moves its cursor back. */
export function openCursor(channelKey: Uint8Array, nodeId: string, sealed: Uint8Array): Buffer {
  return openMessage(channelKey, 'cursor', [nodeId], sealed, limits.cursorBytes);
}
