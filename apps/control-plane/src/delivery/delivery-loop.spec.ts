import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import { Log } from '#observability';
import { Trust } from '../config/trust.js';
import { AuthoredShelf } from '../trust/authored-shelf.js';
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
  testKeks,
} from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import { Board } from './board.js';
import { DeliveryChannel, type Held, type Parcel, type WriteOutcome } from './delivery-channel.js';
import { DeliveryLoop, type DeliveryParts } from './delivery-loop.js';

const IDS = ['1', '2', '3'].map((digit) => digit.repeat(64));

class SetClock extends Clock {
  now = 1_000_000_000_000;
  override nowMs(): number {
    return this.now;
  }
}

/** Holds what it is given, and fails, loses or delays as a test says. */
class FakeChannel extends DeliveryChannel {
  readonly there = new Map<string, DeliveryRecord>();
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
  override bundle(digest: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.bundles.has(digest) ? new Uint8Array() : undefined);
  }
  override dropBundles(digests: readonly string[]): Promise<void> {
    for (const digest of digests) this.bundles.delete(digest);
    return Promise.resolve();
  }
  override write(parcels: readonly Parcel[]): Promise<readonly WriteOutcome[]> {
    if (this.failures-- > 0) return Promise.reject(new Error('cut'));
    const outcomes = parcels.map(({ nodeId, record }) => {
      const there = this.there.get(nodeId)?.ordering;
      if (there && key(there) >= key(record.ordering)) return 'stale' as const;
      this.writes += 1;
      this.there.set(nodeId, record);
      return 'written' as const;
    });
    this.beforeAnswer();
    return Promise.resolve(outcomes);
  }
  override records(nodeIds: readonly string[]) {
    return Promise.resolve(nodeIds.map((nodeId) => this.there.get(nodeId)));
  }
  override discard(nodeId: string): Promise<void> {
    this.there.delete(nodeId);
    return Promise.resolve();
  }
  override present({ bundles, nodeIds }: Held): Promise<Held> {
    return Promise.resolve({
      bundles: new Set([...bundles].filter((digest) => this.bundles.has(digest))),
      nodeIds: new Set([...nodeIds].filter((nodeId) => this.there.has(nodeId))),
    });
  }
  override contents(): Promise<Held> {
    return Promise.resolve({ bundles: new Set(this.bundles), nodeIds: new Set(this.there.keys()) });
  }
  override forget(nodeId: string): Promise<void> {
    this.there.delete(nodeId);
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
let parts: DeliveryParts;
let logged: string[];
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
  const root = trustRoot(signRoot(document, [signer]));
  const secrets = { epochSecret: Buffer.alloc(32, 9), keks: testKeks };
  const trust = new Trust(root, signer, secrets);
  state = new FleetState(testKeks);
  channel = new FakeChannel();
  clock = new SetClock();
  board = new Board();
  madeKeys = [];
  logged = [];
  parts = {
    state,
    channel,
    board,
    bundles: new BundleShelf(Buffer.alloc(32, 9)),
    trust,
    authored: new AuthoredShelf(trust),
    restoreGuard: { alarm: undefined, published: () => undefined },
    clock,
    metrics: new Metrics(),
    log: new Log({ write: (line) => logged.push(line) }),
    makeHostKeys: (nodes) => Promise.resolve(void madeKeys.push(...nodes)),
  };
  loop = new DeliveryLoop(parts);
});
afterEach(() => loop.stop());

const take = (message: Parameters<FleetState['apply']>[0]) => loop.mark(state.apply(message));
const settled = () => eventually('nothing waits', () => loop.waiting === 0);
const policy = (name: string, path?: string) =>
  putPolicy(policyRecord(hostPolicy(name, { a: 'b' }, path)));
const ordering = (index: number) => channel.there.get(IDS[index] ?? '')?.ordering;

const otherShelf = () => new BundleShelf(Buffer.alloc(32, 8));

/** Another replica that knows more writes for this host. */
async function aheadOf(nodeId: string): Promise<void> {
  const node = putNode(nodeRecord('ahead', { a: 'b' }, nodeId));
  const ahead = new FleetState(testKeks);
  const more = [policy('p'), policy('q'), policy('r')];
  ahead.apply(snapshot(12n, node, putHostKey(nodeId), ...more));
  const other = new DeliveryLoop({ ...parts, state: ahead, board: new Board() });
  other.everything();
  await eventually('written', () => channel.there.get(nodeId)?.ordering.generation === '12');
  await other.stop();
}

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
    expect(channel.there.size).toBe(3);
    expect(channel.bundles.size).toBe(2);
    expect(ordering(0)).toMatchObject({ epoch: '1', generation: '10' });
  });

  it('leaves hosts what they have while a fleet that became authored has no signed policy', async () => {
    const { root, earlierRoots, online } = parts.trust;
    const trust = { root, earlierRoots, online, authored: true };
    await loop.stop();
    loop = new DeliveryLoop({ ...parts, trust });
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    take(snapshot(10n, ...nodes, ...IDS.map((id) => putHostKey(id)), policy('p')));
    await eventually('it says so', () =>
      logged.some((line) => line.includes('no policy is signed')),
    );
    expect(loop.awaitsAuthors).toBe(true);
    expect([channel.writes, loop.waiting]).toEqual([0, IDS.length]);
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
    expect(channel.there.size).toBe(3);
  });

  it('writes everything anew when the channel was emptied, also in the middle of a round', async () => {
    await threeHosts();
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      channel.there.clear();
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await eventually('all there', () => channel.there.size === 3 && loop.waiting === 0);
    expect([...channel.there.keys()].sort()).toEqual(IDS);
  });

  it('leaves what is there and says the same when our clock went back, or another replica was faster', async () => {
    clock.now += 3_600_000;
    await threeHosts();
    const [there, writes] = [ordering(0), channel.writes];
    clock.now -= 3_600_000;
    const again = new DeliveryLoop({ ...parts, board: (board = new Board()) });
    again.everything();
    await eventually('nothing waits', () => again.waiting === 0);
    await again.stop();
    expect([ordering(0), channel.writes]).toEqual([there, writes]);
    expect(board.get(IDS[0] ?? '')?.ordering).toEqual(there);
  });

  it('puts its own in the place of a record that nobody of ours sealed, whatever ordering it claims', async () => {
    await threeHosts();
    const record = channel.there.get(IDS[0] ?? '');
    if (!record) throw new Error('nothing was written');
    const claimed = { ...record.ordering, generation: '9000000000000000000' };
    channel.there.set(IDS[0] ?? '', { ...record, ordering: claimed });
    take(changes(11n, [policy('q')]));
    await settled();
    expect(ordering(0)?.generation).toBe('11');
  });

  it('delivers to all others when a replica is ahead for one host, however many there are', async () => {
    const ids = Array.from({ length: 450 }, (_, index) => String(index).padStart(64, '0'));
    const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, { a: 'b' }, id)));
    take(snapshot(10n, ...nodes, ...ids.map((id) => putHostKey(id)), policy('p')));
    await settled();
    const first = ids[0] ?? '';
    await aheadOf(first);
    take(changes(11n, [policy('q')]));
    const generations = () => ids.slice(1).map((id) => channel.there.get(id)?.ordering.generation);
    await eventually('all others have it', () => generations().every((each) => each === '11'));
    expect(channel.there.get(first)?.ordering.generation).toBe('12');
  });

  it('tells of two bundles of one generation', async () => {
    await threeHosts();
    const other = new DeliveryLoop({ ...parts, board: new Board(), bundles: otherShelf() });
    clock.now += 1_000;
    other.everything();
    await eventually('written by the other', () => ordering(0)?.issuedAt === clock.now);
    await other.stop();
    clock.now -= 1_000;
    loop.everything();
    await eventually('told', () => logged.some((line) => line.includes('two bundles')));
  });

  it('puts back what vanished from the channel alone, and removes after two looks what nobody names', async () => {
    await threeHosts();
    loop.everything();
    await settled();
    const [bundle] = [...channel.bundles];
    channel.bundles.delete(bundle ?? '');
    channel.there.delete(IDS[1] ?? '');
    channel.bundles.add('f'.repeat(64));
    const left = channel.there.get(IDS[0] ?? '');
    if (left) channel.there.set('e'.repeat(64), left);
    loop.lookAfter();
    await eventually('put back', () => channel.bundles.has(bundle ?? '') && ordering(1));
    expect(channel.bundles.has('f'.repeat(64))).toBe(true);
    loop.lookAfter();
    await eventually('swept', () => !channel.bundles.has('f'.repeat(64)));
    await eventually('swept', () => !channel.there.has('e'.repeat(64)));
    expect(channel.there.size).toBe(3);
  });

  it('removes a host that is gone, and no other', async () => {
    await threeHosts();
    take(changes(11n, [], ['/hostward/v1/node/n0']));
    await settled();
    expect([...channel.there.keys()]).toEqual(IDS.slice(1));
    expect(board.get(IDS[0] ?? '')).toBeUndefined();
  });

  it('asks for the key of a host that has none and delivers when it comes', async () => {
    take(snapshot(5n, putNode(nodeRecord('new', { a: 'b' }, IDS[0])), policy('p')));
    await settled();
    expect([madeKeys, channel.there.size]).toEqual([['new'], 0]);
    take(changes(6n, [putHostKey(IDS[0] ?? '')]));
    await settled();
    expect(channel.there.size).toBe(1);
  });

  it('delivers nothing to a host that is only declared', async () => {
    take(snapshot(5n, putNode(nodeRecord('declared', { a: 'b' })), policy('p')));
    await settled();
    expect(channel.there.size).toBe(0);
  });
});
