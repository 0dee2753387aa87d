import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RESERVE_BYTES, SpoolReserve, type Reserved } from './spool-reserve.js';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hostward-reserve-'));
  path = join(dir, 'reserve');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const noneSetAside = (file: string): never => {
  throw new Error(`${file} was set aside`);
};
const EMPTY = { acknowledged: '', sensor: 0, lost: 0, waiting: [] };
const of = (sensor: number): Reserved => ({ ...EMPTY, sensor, acknowledged: `1000-${sensor}` });

async function opened(): Promise<SpoolReserve> {
  const reserve = new SpoolReserve(dir);
  await reserve.load(noneSetAside);
  if (!reserve.isUsed) await reserve.clear();
  return reserve;
}

/** What another run of the agent finds in it. */
const found = (): Promise<Reserved> => new SpoolReserve(dir).load(noneSetAside);

describe('the reserve of the spool', () => {
  it('has what was written last, and nothing once it is cleared', async () => {
    const reserve = await opened();
    for (const sensor of [1, 2, 3]) {
      expect(await reserve.write(of(sensor))).toBe('whole');
      expect(await found()).toMatchObject(of(sensor));
    }
    await (await opened()).write(of(4));
    expect(await found()).toMatchObject(of(4));
    const next = await opened();
    await next.clear();
    expect([next.isUsed, await found()]).toMatchObject([false, EMPTY]);
  });

  it('has what was written before where the last write was torn, and keeps it until the next is whole', async () => {
    const reserve = await opened();
    for (const sensor of [1, 2]) await reserve.write(of(sensor));
    const bytes = readFileSync(path);
    // The second is in the first slot, as the fourth would be.
    bytes[12] = (bytes[12] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(await found()).toMatchObject(of(1));
    await (await opened()).write(of(5));
    const again = readFileSync(path);
    again.fill(0, 0, RESERVE_BYTES / 2);
    writeFileSync(path, again);
    expect(await found()).toMatchObject(of(1));
  });

  it.each([
    ['garbage', Buffer.alloc(RESERVE_BYTES, 'garbage\n')],
    ['a short file', Buffer.from('deadbeef {}\n')],
    ['no byte', Buffer.alloc(0)],
  ])('takes %s for an empty one, and is written over it', async (_, bytes) => {
    writeFileSync(path, bytes);
    const reserve = new SpoolReserve(dir);
    expect(await reserve.load(noneSetAside)).toEqual(EMPTY);
    await reserve.clear();
    expect(await reserve.write(of(1))).toBe('whole');
    expect([readFileSync(path).length, await found()]).toMatchObject([RESERVE_BYTES, of(1)]);
  });

  it('is made anew where it has holes, which a full disk would not fill', async () => {
    writeFileSync(path, '');
    truncateSync(path, RESERVE_BYTES);
    await opened();
    expect(readFileSync(path).equals(Buffer.alloc(RESERVE_BYTES))).toBe(true);
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(RESERVE_BYTES);
  });

  it('is not written where there is none', async () => {
    expect(await new SpoolReserve(dir).write(of(1))).toBe('nothing');
  });
});
