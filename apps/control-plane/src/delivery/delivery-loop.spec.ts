import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import { Log } from '#observability';
import { BundleShelf } from '../bundles/bundle-shelf.js';
import { Clock } from '../clock.js';
import { FleetState } from '../fleet/fleet-state.js';
import { Metrics } from '../health/metrics.js';
import { eventually } from '../testing/eventually.js';
import {
  changes,
  hostPolicy,
  nodeRecord,
  policyRecord,
  putHostKey,
  putNode,
  putPolicy,
  snapshot,
} from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import { Board } from './board.js';
import { DeliveryChannel, type Parcel } from './delivery-channel.js';
import { DeliveryLoop } from './delivery-loop.js';

const IDS = ['1', '2', '3'].map((digit) => digit.repeat(64));

class SetClock extends Clock {
  now = 1_000_000_000_000;
  override nowMs(): number {
    return this.now;
  }
}

/** Holds what it is given, and fails, loses or delays as a test says. */
class FakeChannel extends DeliveryChannel {
  readonly records = new Map<string, DeliveryRecord>();
  readonly bundles = new Set<string>();
  writes = 0;
  failures = 0;
  beforeAnswer: () => void = () => undefined;

  override onLoss(): void {
    return undefined;
  }
  override putBundle(digest: string): Promise<void> {
    this.bundles.add(digest);
    return Promise.resolve();
  }
  override dropBundles(digests: readonly string[]): Promise<void> {
    for (const digest of digests) this.bundles.delete(digest);
    return Promise.resolve();
  }
  override write(parcels: readonly Parcel[]): Promise<readonly ('written' | 'stale')[]> {
    if (this.failures-- > 0) return Promise.reject(new Error('cut'));
    const outcomes = parcels.map(({ nodeId, record }) => {
      const there = this.records.get(nodeId)?.ordering;
      if (there && key(there) >= key(record.ordering)) return 'stale' as const;
      this.writes += 1;
      this.records.set(nodeId, record);
      return 'written' as const;
    });
    this.beforeAnswer();
    return Promise.resolve(outcomes);
  }
  override orderingOf(nodeId: string): Promise<Ordering | undefined> {
    return Promise.resolve(this.records.get(nodeId)?.ordering);
  }
  override forget(nodeId: string): Promise<void> {
    this.records.delete(nodeId);
    return Promise.resolve();
  }
  override health() {
    return { ok: true, detail: '' };
  }
  override close(): void {
    return undefined;
  }
}

const key = ({ epoch, generation, issuedAt }: Ordering): string =>
  [epoch, generation, String(issuedAt)].map((part) => part.padStart(20, '0')).join();

let state: FleetState;
let channel: FakeChannel;
let clock: SetClock;
let board: Board;
let loop: DeliveryLoop;
let madeKeys: string[];

beforeEach(() => {
  const online = generateSigningKey();
  const publicKey = { keyid: online.keyid, key: online.key };
  const signer = loadSigner(online.privateKey);
  const document = {
    v: 1,
    version: 1,
    epoch: '1',
    expiresAt: 4_000_000_000_000,
    mode: 'managed',
    root: { threshold: 1, keys: [publicKey] },
    authors: [],
    online: [publicKey],
  } as const;
  state = new FleetState();
  channel = new FakeChannel();
  clock = new SetClock();
  board = new Board();
  madeKeys = [];
  loop = new DeliveryLoop({
    state,
    channel,
    board,
    bundles: new BundleShelf(Buffer.alloc(32, 9)),
    root: trustRoot(signRoot(document, [signer])),
    signer,
    clock,
    metrics: new Metrics(),
    log: new Log({ write: () => undefined }),
    makeHostKeys: (nodes) => Promise.resolve(void madeKeys.push(...nodes)),
  });
});
afterEach(() => loop.stop());

const take = (message: Parameters<FleetState['apply']>[0]) => loop.mark(state.apply(message));
const settled = () => eventually('nothing waits', () => loop.waiting === 0);
const policy = (name: string, path?: string) =>
  putPolicy(policyRecord(hostPolicy(name, { a: 'b' }, path)));
const ordering = (index: number) => channel.records.get(IDS[index] ?? '')?.ordering;

async function threeHosts(): Promise<void> {
  const nodes = IDS.map((id, index) =>
    putNode(nodeRecord(`n${index}`, index < 2 ? { a: 'b' } : {}, id)),
  );
  take(snapshot(10n, ...nodes, ...IDS.map((id) => putHostKey(id)), policy('p')));
  await settled();
}

describe('delivery', () => {
  it('gives hosts with one rule set one bundle, at the generation that was read', async () => {
    await threeHosts();
    expect(channel.records.size).toBe(3);
    expect(channel.bundles.size).toBe(2);
    expect(ordering(0)).toMatchObject({ epoch: '1', generation: '10' });
  });

  it('rewrites only the hosts that a change affects', async () => {
    await threeHosts();
    const before = channel.writes;
    take(changes(11n, [policy('q')]));
    await settled();
    expect(channel.writes - before).toBe(2);
    expect([ordering(0)?.generation, ordering(2)?.generation]).toEqual(['11', '10']);
    take(changes(12n, [putNode(nodeRecord('n0', { a: 'b', unrelated: 'x' }, IDS[0]))]));
    await settled();
    expect(channel.writes - before).toBe(2);
  });

  it('removes bundles that no host is to have any more', async () => {
    await threeHosts();
    const [old] = [...channel.bundles];
    take(changes(11n, [policy('p', '/usr/bin/ncat')]));
    await settled();
    expect(channel.bundles.size).toBe(2);
    expect(channel.bundles.has(old ?? '')).toBe(false);
  });

  it('renews an assignment when half of its time is over, with a later issuedAt only', async () => {
    await threeHosts();
    const before = ordering(0);
    clock.now += ASSIGNMENT_VALID_MS / 2 - 1;
    loop.renew();
    await settled();
    expect(ordering(0)).toEqual(before);
    clock.now += 1;
    loop.renew();
    await settled();
    expect(ordering(0)?.generation).toBe('10');
    expect(ordering(0)?.issuedAt).toBe(clock.now);
  });

  it('tries again until it succeeds, and forgets nothing meanwhile', async () => {
    channel.failures = 3;
    await threeHosts();
    expect(channel.records.size).toBe(3);
  });

  it('writes everything anew when the channel was emptied, also in the middle of a round', async () => {
    await threeHosts();
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      channel.records.clear();
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await eventually('all there', () => channel.records.size === 3 && loop.waiting === 0);
    expect([...channel.records.keys()].sort()).toEqual(IDS);
  });

  it('goes past what is there at the same generation when our clock went back', async () => {
    await threeHosts();
    const there = ordering(0);
    clock.now -= 3_600_000;
    const other = channel.records.get(IDS[0] ?? '');
    if (other && there)
      channel.records.set(IDS[0] ?? '', {
        ...other,
        ordering: { ...there, issuedAt: there.issuedAt + 60_000 },
      });
    loop.everything();
    await settled();
    expect(ordering(0)?.issuedAt).toBeGreaterThan((there?.issuedAt ?? 0) + 60_000);
  });

  it('removes a host that is gone, and no other', async () => {
    await threeHosts();
    take(changes(11n, [], ['/hostward/v1/node/n0']));
    await settled();
    expect([...channel.records.keys()]).toEqual(IDS.slice(1));
    expect(board.get(IDS[0] ?? '')).toBeUndefined();
  });

  it('asks for the key of a host that has none and delivers when it comes', async () => {
    take(snapshot(5n, putNode(nodeRecord('new', { a: 'b' }, IDS[0])), policy('p')));
    await settled();
    expect([madeKeys, channel.records.size]).toEqual([['new'], 0]);
    take(changes(6n, [putHostKey(IDS[0] ?? '')]));
    await settled();
    expect(channel.records.size).toBe(1);
  });

  it('delivers nothing to a host that is only declared', async () => {
    take(snapshot(5n, putNode(nodeRecord('declared', { a: 'b' })), policy('p')));
    await settled();
    expect(channel.records.size).toBe(0);
  });
});
