import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SignedDocument } from '#bundle';
import { REPORT_INTERVAL_MS } from '#contracts';
import { Clock } from '../http/clock.js';
import { HeadChannel, HeadHerald } from './head-herald.js';

class SetClock extends Clock {
  now = 1_000_000;
  override nowMs(): number {
    return this.now;
  }
}

class FakeChannel extends HeadChannel {
  readonly told: string[] = [];
  readonly paces: (SignedDocument | undefined)[] = [];
  failing = false;
  override publish({ payload }: SignedDocument, pace?: SignedDocument): Promise<void> {
    if (this.failing) return Promise.reject(new Error('cut'));
    this.told.push(payload);
    this.paces.push(pace);
    return Promise.resolve();
  }
}

let seq: number;
let clock: SetClock;
let channel: FakeChannel;
let herald: HeadHerald;
let pace: SignedDocument | undefined;
let everyMs: number;
let isAway: boolean;

beforeEach(() => {
  seq = 0;
  isAway = false;
  pace = undefined;
  everyMs = REPORT_INTERVAL_MS;
  clock = new SetClock();
  channel = new FakeChannel();
  const head = () =>
    Promise.resolve(
      seq === 0 ? undefined : { payloadType: '', payload: String(seq), signatures: [] },
    );
  const end = () =>
    isAway ? Promise.reject(new Error('away')) : Promise.resolve({ seq, hash: '' });
  const auditLog = { end, head };
  herald = new HeadHerald(
    auditLog,
    channel,
    {
      order: () => pace,
      get everyMs() {
        return everyMs;
      },
    },
    clock,
  );
});

async function at(ms: number, newest = seq): Promise<readonly string[]> {
  clock.now = 1_000_000 + ms;
  seq = newest;
  await herald.run();
  return channel.told;
}

describe('the herald of the audit log', () => {
  it('tells each new head once, however many entries came at once, and not too often', async () => {
    expect(await at(0)).toEqual([]);
    expect(await at(1_000, 1)).toEqual(['1']);
    expect(await at(2_000, 50)).toEqual(['1']);
    expect(await at(3_000, 80)).toEqual(['1', '80']);
    expect(await at(20_000)).toEqual(['1', '80']);
  });

  it('tells them more rarely where hosts report more rarely', async () => {
    everyMs = 60_000;
    await at(0, 1);
    expect(await at(11_000, 2)).toEqual(['1']);
    expect(await at(12_000, 3)).toEqual(['1', '3']);
  });

  it('repeats the same head for hosts that were away', async () => {
    await at(0, 1);
    expect(await at(29_000)).toEqual(['1']);
    expect(await at(30_000)).toEqual(['1', '1']);
  });

  it('tells the pace of reports beside each head, as it is by then', async () => {
    await at(0, 1);
    pace = { payloadType: 'pace', payload: '', signatures: [] };
    await at(30_000);
    await at(33_000, 2);
    expect(channel.paces).toEqual([undefined, pace, pace]);
  });

  it('repeats the last head, and the pace with it, while the audit log cannot be asked', async () => {
    await at(0, 1);
    isAway = true;
    pace = { payloadType: 'pace', payload: '', signatures: [] };
    for (const ms of [29_000, 30_000, 45_000]) await expect(at(ms, 2)).rejects.toThrow('away');
    expect(channel.told).toEqual(['1', '1']);
    expect(channel.paces).toEqual([undefined, pace]);
    isAway = false;
    expect(await at(60_000)).toEqual(['1', '1', '2']);
  });

  it('tries again where nobody could hear it, also when the clock goes back', async () => {
    channel.failing = true;
    await expect(at(0, 1)).rejects.toThrow('cut');
    channel.failing = false;
    expect(await at(1_000)).toEqual(['1']);
    expect(await at(-500_000)).toEqual(['1', '1']);
  });
});
