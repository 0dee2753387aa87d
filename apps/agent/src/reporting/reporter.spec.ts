import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  generateChannelKey,
  generateSigningKey,
  loadSigner,
  openReport,
  openSignedStatus,
  signPace,
  type RootDocument,
  type SignedDocument,
} from '#bundle';
import type { NodeReport } from '#contracts';
import { Log } from '#observability';
import type { HostLink, StateWrite } from '#redis';
import type { ChannelKeys } from '../trust/channel-keys.js';
import { Clock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { sensorState } from '../testing/scripted-sensor.js';
import { nodeReport } from './node-report.js';
import { ReportPace } from '../health/report-pace.js';
import { Reporter, type Composed } from './reporter.js';

const NODE_ID = 'ab'.repeat(32);
const START = 1_000_000;
/** The longest pause between two looks. */
const LOOK_MS = 10_000;

class SetClock extends Clock {
  ms = START;
  override now(): number {
    return this.ms;
  }
  override elapsed(): number {
    return this.ms;
  }
  override random(): number {
    return 0.9999;
  }
  override wait(): Promise<void> {
    return Promise.resolve();
  }
}

const online = generateSigningKey();
const signer = loadSigner(online.privateKey);
const channelKey = generateChannelKey();
const root = { online: [online] } as unknown as RootDocument;

let clock: SetClock;
let around: Context;
let pace: ReportPace;
let reporter: Reporter;
let written: { readonly at: number; readonly report: NodeReport; readonly isQuiet: boolean }[];
let redisAway: boolean;
let spoolLost: number;
let signedStatus: SignedDocument | undefined;
/** What lies beside the state. */
let beside: { readonly at: number; readonly signedStatus: unknown } | undefined;
let currentKey: Buffer;

beforeEach(() => {
  clock = new SetClock();
  around = new Context(clock, new Log({ write: () => undefined }));
  pace = new ReportPace(
    () => root,
    around,
    () => undefined,
  );
  written = [];
  [redisAway, spoolLost] = [false, 0];
  [signedStatus, beside, currentKey] = [undefined, undefined, channelKey];
  const link = {
    writeState: (sealed: Uint8Array, { signedStatus: stated, isQuiet = false }: StateWrite) => {
      if (redisAway) return Promise.reject(new Error('away'));
      const text = openReport(currentKey, NODE_ID, sealed).toString();
      written.push({ at: clock.ms, report: JSON.parse(text) as NodeReport, isQuiet });
      const said = stated && openSignedStatus(currentKey, NODE_ID, stated).toString();
      if (said !== undefined) beside = { at: clock.ms, signedStatus: JSON.parse(said) as unknown };
      return Promise.resolve(beside !== undefined);
    },
  };
  const compose = (sequence: number): Composed => {
    const report = nodeReport({
      ...{ nodeId: NODE_ID, hostname: 'h', sequence, bootedAt: START, now: clock.ms },
      ...{ reportEveryMs: pace.everyMs, observing: false, agentVersion: '1' },
      ...{ spoolLost, telemetryEventsLost: 0 },
      sensor: { version: '1', state: sensorState({ asOf: clock.ms }), outcomeSince: START },
    });
    return { report, signedStatus };
  };
  reporter = new Reporter(
    compose,
    link as unknown as HostLink,
    {
      get current() {
        return currentKey;
      },
    } as unknown as ChannelKeys,
    around,
  );
});

const order = (reportEveryMs: number, at = clock.ms) =>
  pace.take(signPace({ v: 1, at, reportEveryMs }, signer));

/** Looks for so long as rarely as the loop may; when what was heard before is heard again as often as it is told. */
async function looks(forMs: number, everyMs?: number): Promise<void> {
  const until = clock.ms + forMs;
  const at = clock.ms;
  while (clock.ms < until) {
    if (everyMs !== undefined) order(everyMs, at);
    clock.ms += LOOK_MS;
    await reporter.look();
  }
}

const gaps = (): readonly number[] =>
  written.slice(1).map(({ at }, index) => at - (written[index]?.at ?? 0));

describe('reports while nothing changes', () => {
  it('come at each look where the control plane orders nothing, and promise nothing else', async () => {
    await reporter.look();
    await looks(60_000);
    expect(gaps()).toEqual(Array(6).fill(LOOK_MS));
    expect(written.every(({ report }) => report.nextWithinMs === undefined)).toBe(true);
  });

  it('come as rarely as it orders, never later than each of them said, and count on', async () => {
    await reporter.look();
    await looks(300_000, 60_000);
    // The first one, which knew of no order, is followed as it said.
    expect(gaps().slice(0, 4)).toEqual([10_000, 60_000, 60_000, 60_000]);
    expect(written.slice(1).every(({ report }) => report.nextWithinMs === 60_000)).toBe(true);
    expect(written.map(({ report }) => report.sequence)).toEqual(written.map((_, i) => i + 1));
  });

  it('come at once where there is news, and where somebody asks', async () => {
    await reporter.look();
    await looks(20_000, 60_000);
    const before = written.length;
    spoolLost = 1;
    await looks(10_000, 60_000);
    expect(written).toHaveLength(before + 1);
    await reporter.report();
    expect(written).toHaveLength(before + 2);
  });

  it('are written at the next look where Redis did not take one, news or not', async () => {
    await reporter.look();
    await looks(20_000, 60_000);
    const before = written.length;
    redisAway = true;
    await reporter.report();
    redisAway = false;
    await looks(10_000, 60_000);
    expect(written).toHaveLength(before + 1);
  });

  it('come as often as ever within two minutes after the order was heard last', async () => {
    await reporter.look();
    await looks(60_000, 60_000);
    await looks(180_000);
    expect(gaps().slice(-3)).toEqual([LOOK_MS, LOOK_MS, LOOK_MS]);
    expect(written.at(-1)?.report.nextWithinMs).toBeUndefined();
  });

  it('come sooner as soon as a faster pace is heard', async () => {
    await reporter.look();
    await looks(20_000, 60_000);
    order(15_000);
    await looks(30_000, 15_000);
    expect(gaps().at(-1)).toBe(LOOK_MS);
    expect(written.at(-1)?.report.nextWithinMs).toBe(15_000);
  });
});

describe('the bell', () => {
  const quiet = () => written.map(({ isQuiet }) => isQuiet);

  it('rings with each report where the pace is shorter than half a minute, or none is ordered', async () => {
    await reporter.look();
    await looks(60_000);
    await looks(120_000, 25_000);
    expect(written.length).toBeGreaterThan(9);
    expect(quiet()).not.toContain(true);
  });

  it('does not ring for a report without news in a larger fleet, once the one before said how long it is good', async () => {
    await reporter.look();
    await looks(300_000, 60_000);
    const promises = written.slice(0, 4).map(({ report }) => report.nextWithinMs);
    expect(promises).toEqual([undefined, 60_000, 60_000, 60_000]);
    expect(quiet().slice(0, 2)).toEqual([false, false]);
    expect(new Set(quiet().slice(2))).toEqual(new Set([true]));
  });

  it('rings for news, where somebody asks, under another channel key, and after a report that Redis did not take', async () => {
    await reporter.look();
    await looks(90_000, 60_000);
    expect(quiet().at(-1)).toBe(true);
    spoolLost = 1;
    await looks(10_000, 60_000);
    expect(quiet().at(-1)).toBe(false);
    await reporter.report();
    expect(quiet().at(-1)).toBe(false);
    await looks(60_000, 60_000);
    expect(quiet().at(-1)).toBe(true);
    currentKey = generateChannelKey();
    await looks(10_000, 60_000);
    expect(quiet().at(-1)).toBe(false);
    redisAway = true;
    await looks(60_000, 60_000);
    redisAway = false;
    await looks(10_000, 60_000);
    expect(quiet().at(-1)).toBe(false);
  });

  it('does not ring for a new signature alone', async () => {
    signedStatus = { payloadType: 't', payload: 'first', signatures: [] };
    await reporter.look();
    await looks(90_000, 60_000);
    signedStatus = { ...signedStatus, payload: 'second' };
    const before = written.length;
    await looks(10_000, 60_000);
    expect(quiet().slice(before)).toEqual([true]);
    expect(beside?.signedStatus).toEqual(signedStatus);
  });

  it('rings where the host reports as often as ever again', async () => {
    await reporter.look();
    await looks(90_000, 60_000);
    await looks(180_000);
    expect(written.at(-1)?.report.nextWithinMs).toBeUndefined();
    expect(quiet().at(-1)).toBe(false);
  });
});

describe('an order of the control plane', () => {
  it('is dropped where no online key signed it, and where it is older than the one that holds', () => {
    const stranger = loadSigner(generateSigningKey().privateKey);
    pace.take(signPace({ v: 1, at: START, reportEveryMs: 60_000 }, stranger));
    pace.take({ payloadType: 'x' });
    expect(pace.everyMs).toBe(10_000);
    order(30_000, START + 1);
    order(60_000, START);
    expect(pace.everyMs).toBe(30_000);
  });

  it('says how rarely a host asks by itself for what hints tell it', () => {
    expect(pace.askEveryMs).toBe(600_000);
    order(60_000, START);
    expect(pace.askEveryMs).toBe(3_600_000);
  });
});

describe('the signed status beside reports', () => {
  const signed = (payload: string): SignedDocument => ({
    payloadType: 't',
    payload,
    signatures: [],
  });
  beforeEach(() => {
    signedStatus = signed('first');
  });

  it('goes up with the first report, and again only once there is another one', async () => {
    await reporter.look();
    await looks(60_000);
    expect(beside).toEqual({ at: START, signedStatus });
    signedStatus = signed('second');
    await looks(10_000);
    expect(beside).toEqual({ at: clock.ms, signedStatus });
  });

  it('is a reason to report, before a report is due', async () => {
    await reporter.look();
    await looks(20_000, 60_000);
    const before = written.length;
    signedStatus = signed('second');
    await looks(10_000, 60_000);
    expect(written).toHaveLength(before + 1);
  });

  it('goes up again where Redis did not take it, lost it, or may be another one', async () => {
    redisAway = true;
    await reporter.look();
    expect(beside).toBeUndefined();
    redisAway = false;
    await looks(10_000);
    expect(beside?.signedStatus).toEqual(signedStatus);
    beside = undefined;
    // The next report finds that it is gone, and the one after it brings it back.
    await looks(20_000);
    expect(beside).toEqual({ at: clock.ms, signedStatus });
    clock.ms += 1;
    await reporter.reconnected();
    expect(beside).toEqual({ at: clock.ms, signedStatus });
  });

  it('goes up again under another channel key', async () => {
    await reporter.look();
    currentKey = generateChannelKey();
    await looks(10_000);
    expect(beside).toEqual({ at: clock.ms, signedStatus });
  });
});
