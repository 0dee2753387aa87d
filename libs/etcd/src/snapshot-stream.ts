import type { Etcd3, ISnapshotResponse } from 'etcd3';
import { Readable } from 'node:stream';
import { EtcdUnavailable } from './errors.js';
import { translateError } from './translate-error.js';

/** A member that says nothing for as long as this is given up. */
const SILENT_AFTER_MS = 30_000;

/** The chunks of a snapshot of the backend; ends `client`, which it owns. Read on demand. Throws EtcdStoreError. */
export async function* readSnapshot(client: Etcd3): AsyncGenerator<Uint8Array> {
  let watchdog: NodeJS.Timeout | undefined;
  try {
    const stream: unknown = await client.maintenance.snapshot();
    if (!isReadable(stream)) throw new TypeError('the snapshot of etcd3 is no readable stream');
    const expectMore = () => {
      clearTimeout(watchdog);
      const silence = new Error(`it said nothing for ${SILENT_AFTER_MS} ms`);
      watchdog = setTimeout(() => stream.destroy(silence), SILENT_AFTER_MS);
    };
    expectMore();
    let remaining = 1n;
    for await (const answer of stream) {
      if (!isAnswer(answer)) throw new TypeError('etcd answered what is no part of a snapshot');
      remaining = BigInt(answer.remaining_bytes);
      yield answer.blob;
      expectMore();
    }
    if (remaining > 0n) throw new EtcdUnavailable('the snapshot was cut off', 'unknown');
  } catch (error) {
    throw translateError(error, 'the snapshot');
  } finally {
    clearTimeout(watchdog);
    client.close();
  }
}

function isReadable(value: unknown): value is Readable {
  return value instanceof Readable;
}

function isAnswer(value: unknown): value is ISnapshotResponse {
  return (
    typeof value === 'object' && value !== null && 'remaining_bytes' in value && 'blob' in value
  );
}
