import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AUDIT_LOG_START, auditLogEntry, type AuditLogEntry } from '#bundle';
import { Log } from '#observability';
import { UnsyncedEntries } from './unsynced-entries.js';

const log = new Log({ level: 'error', write: () => undefined });

/** A disk whose syncs end when the test says. */
class Disk {
  readonly syncs: PromiseWithResolvers<void>[] = [];
  readonly unsynced = new UnsyncedEntries(() => this.#sync(), log);

  async end(index: number): Promise<void> {
    this.syncs[index]?.resolve();
    await jest.advanceTimersByTimeAsync(0);
  }

  async fail(index: number): Promise<void> {
    this.syncs[index]?.reject(new Error('EIO'));
    await jest.advanceTimersByTimeAsync(0);
  }

  seqs(): readonly number[] {
    return this.unsynced.all.map(({ seq }) => seq);
  }

  #sync(): Promise<void> {
    const sync = Promise.withResolvers<void>();
    this.syncs.push(sync);
    return sync.promise;
  }
}

let disk: Disk;
beforeEach(() => {
  jest.useFakeTimers();
  disk = new Disk();
});
afterEach(() => {
  jest.useRealTimers();
});

/** A write waits for the sync under way and for the one after it. */
async function expectRoomAfterTwoSyncs(): Promise<void> {
  let room = false;
  const waiting = disk.unsynced.room().then(() => (room = true));
  await disk.end(0);
  expect(room).toBe(false);
  await disk.end(1);
  await waiting;
  expect(room).toBe(true);
}

describe('entries that are not synced', () => {
  it('are held until a sync has ended that began after they were stored', async () => {
    disk.unsynced.add(entry(1));
    disk.unsynced.add(entry(2));
    expect(disk.seqs()).toEqual([1, 2]);
    await disk.end(0);
    expect([disk.seqs(), disk.syncs.length]).toEqual([[2], 2]);
    await disk.end(1);
    expect(disk.seqs()).toEqual([]);
  });

  it('keep no write waiting while there are few', async () => {
    disk.unsynced.add(entry(1));
    await expect(disk.unsynced.room()).resolves.toBeUndefined();
  });

  it('are synced before the next write where somebody else may have stored some', async () => {
    disk.unsynced.add(entry(1));
    disk.unsynced.doubt();
    await expectRoomAfterTwoSyncs();
  });

  it.each([
    ['many', 64, 1],
    ['large', 3, 60_000],
  ])('are no more than a bound: where they are %s a write waits', async (_title, count, bytes) => {
    for (let seq = 1; seq <= count; seq += 1) disk.unsynced.add(entry(seq, bytes));
    await expectRoomAfterTwoSyncs();
  });

  it('refuse the write and say why while a sync fails, until one does not', async () => {
    disk.unsynced.add(entry(1));
    await disk.fail(0);
    expect([disk.seqs(), disk.unsynced.failure]).toEqual([[1], 'EIO']);
    const refused = expect(disk.unsynced.room()).rejects.toMatchObject({ kind: 'unavailable' });
    await disk.fail(1);
    await refused;
    const taken = disk.unsynced.room();
    await disk.end(2);
    await taken;
    expect([disk.seqs(), disk.unsynced.failure]).toEqual([[], undefined]);
  });

  it('refuse the write when a sync does not end', async () => {
    disk.unsynced.doubt();
    const refused = expect(disk.unsynced.room()).rejects.toMatchObject({ kind: 'unavailable' });
    await jest.advanceTimersByTimeAsync(5_000);
    await refused;
    expect(disk.unsynced.failure).toMatch(/within 5000 ms/);
  });
});

function entry(seq: number, bytes = 1): AuditLogEntry {
  return auditLogEntry({
    ...{ v: 1, seq, time: '2026-03-01T12:00:00.000Z', actor: 'admin', source: '' },
    ...{ action: 'apply', object: 'x'.repeat(bytes), revision: '1', outcome: 'done' },
    ...{ detail: {}, prev: AUDIT_LOG_START.hash },
  });
}
