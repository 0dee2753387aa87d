import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  type SignedDocument,
  generateSigningKey,
  inspectRoot,
  loadSigner,
  signRoot,
  trustRoot,
} from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import { Log } from '#observability';
import { Trust } from '../config/trust.js';
import { AuthoredShelf, type SignedHead } from '../trust/authored-shelf.js';
import { BundleShelf } from '../bundles/bundle-shelf.js';
import { Clock } from '../clock.js';
import type { Affected } from '../fleet/affected.js';
import { FleetState } from '../fleet/fleet-state.js';
import { Metrics } from '../health/metrics.js';
import { eventually } from '../testing/eventually.js';
import { FakeChannel } from '../testing/fake-channel.js';
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
import { DeliveryLoop, type DeliveryParts } from './delivery-loop.js';

const IDS = ['1', '2', '3'].map((digit) => digit.repeat(64));

class SetClock extends Clock {
  now = 1_000_000_000_000;
  override nowMs(): number {
    return this.now;
  }
}

let state: FleetState;
let trust: Trust;
let nextRoot: (epoch?: string) => SignedDocument;
let newTrust: () => Trust;
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
  nextRoot = (epoch = '1') => signRoot({ ...document, version: 2, epoch }, [signer]);
  const secrets = { epochSecret: Buffer.alloc(32, 9), keks: testKeks };
  newTrust = () => new Trust(root, signer, secrets);
  trust = newTrust();
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
    serves: (nodeId) => state.nameOf(nodeId) !== undefined,
    replicas: { owns: () => true },
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

/** Of the newest document of the chain. */
const rootVersion = (root: DeliveryRecord['root']): number =>
  inspectRoot(Array.isArray(root) ? root.at(-1) : root).document.version;

const otherShelf = () => new BundleShelf(Buffer.alloc(32, 8));

/** As one who can write to Redis could make it: the leaf opens, and no commit of ours has it. */
const unsigned = (record: DeliveryRecord): DeliveryRecord => ({
  ...record,
  proof: { index: 1, size: 2, path: [] },
});

/** Another replica that has read of the next epoch already writes for all hosts. */
async function aheadByAnEpoch(): Promise<void> {
  const ahead = new FleetState(testKeks);
  const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
  ahead.apply(snapshot(12n, ...nodes, ...IDS.map((id) => putHostKey(id, '2')), policy('p')));
  const next = newTrust();
  next.follow(nextRoot('2'));
  const other = new DeliveryLoop({ ...parts, state: ahead, trust: next, board: new Board() });
  other.everything();
  await eventually('written', () => other.waiting === 0);
  await other.stop();
}

/** Another replica that knows more writes for this host. */
async function aheadOf(nodeId: string, revision = 12n): Promise<void> {
  const node = putNode(nodeRecord('ahead', { a: 'b' }, nodeId));
  const ahead = new FleetState(testKeks);
  const more = [policy('p'), policy('q'), policy('r')];
  ahead.apply(snapshot(revision, node, putHostKey(nodeId), ...more));
  const other = new DeliveryLoop({ ...parts, state: ahead, board: new Board() });
  other.everything();
  const generation = () => channel.there.get(nodeId)?.ordering.generation;
  await eventually('written', () => generation() === String(revision));
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
    const authored = { root, earlierRoots, online, authored: true };
    await loop.stop();
    loop = new DeliveryLoop({ ...parts, trust: authored });
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

  it('gives a host few assignments in a burst of changes, and the last within 160 ms', async () => {
    await threeHosts();
    jest.useFakeTimers();
    try {
      await jest.advanceTimersByTimeAsync(1_000);
      const { writes } = channel;
      for (let change = 1; change <= 100; change += 1) {
        take(changes(BigInt(10 + change), [policy('p', `/bin/${change}`)]));
        await jest.advanceTimersByTimeAsync(10);
      }
      await jest.advanceTimersByTimeAsync(150);
      // It selects two hosts.
      expect(channel.writes - writes).toBeLessThanOrEqual(2 * 10);
      expect(ordering(0)?.generation).toBe('110');
      await jest.advanceTimersByTimeAsync(1_000);
      take(changes(111n, [policy('p', '/bin/after')]));
      await jest.advanceTimersByTimeAsync(20);
      expect(ordering(0)?.generation).toBe('111');
    } finally {
      jest.useRealTimers();
    }
  });

  it('removes what a host had that is served elsewhere now, and gives it anew to one that comes back', async () => {
    await loop.stop();
    const elsewhere = new Set<string>([IDS[2] ?? '']);
    const serves = (id: string) => state.nameOf(id) !== undefined && !elsewhere.has(id);
    loop = new DeliveryLoop({ ...parts, serves });
    await threeHosts();
    expect([...channel.there.keys()]).toEqual(IDS.slice(0, 2));
    elsewhere.add(IDS[0] ?? '');
    take(changes(11n, [putNode(nodeRecord('n0', { a: 'b' }, IDS[0]))]));
    await settled();
    expect([...channel.there.keys()]).toEqual([IDS[1]]);
    elsewhere.clear();
    take(
      changes(
        12n,
        IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id))),
      ),
    );
    await settled();
    expect([...channel.there.keys()].sort()).toEqual(IDS);
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

  it('writes nothing twice when its clock is set back by more than half of the time of an assignment', async () => {
    clock.now += ASSIGNMENT_VALID_MS;
    await threeHosts();
    clock.now -= ASSIGNMENT_VALID_MS;
    loop.renew();
    await settled();
    const again = new DeliveryLoop({ ...parts, board: new Board() });
    again.everything();
    await eventually('nothing waits', () => again.waiting === 0);
    await again.stop();
    expect(channel.writes).toBe(3);
    take(changes(11n, [policy('q')]));
    await settled();
    expect([ordering(0)?.generation, channel.writes]).toEqual(['11', 5]);
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

  it('writes everything anew when the channel was emptied between a bundle and what names it', async () => {
    await threeHosts();
    channel.whileBundleIsPut = () => {
      channel.whileBundleIsPut = () => undefined;
      channel.there.clear();
      channel.bundles.clear();
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await settled();
    expect([...channel.there.keys()].sort()).toEqual(IDS);
    const named = [...channel.there.values()].map(({ bundleDigest }) => bundleDigest);
    expect(named.filter((digest) => !channel.bundles.has(digest))).toEqual([]);
  });

  it('writes what the channel lost as hosts know it, and only what has changed since as something newer', async () => {
    await threeHosts();
    take(changes(11n, [putNode(nodeRecord('n1', { a: 'c' }, IDS[1]))]));
    await settled();
    const before = IDS.map((_, index) => ordering(index));
    channel.there.clear();
    clock.now += 60_000;
    take(changes(12n, [putNode(nodeRecord('n1', { a: 'b' }, IDS[1]))]));
    loop.everything();
    await settled();
    expect([ordering(0), ordering(2)]).toEqual([before[0], before[2]]);
    expect(ordering(1)).toEqual({ epoch: '1', generation: '12', issuedAt: clock.now });
  });

  it('writes something newer where a host may have had another since, though it is to have the same again', async () => {
    await threeHosts();
    const before = ordering(0);
    // It reaches the hosts, and no answer tells of it.
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      channel.there.clear();
      channel.failures = 1;
      state.apply(changes(12n, [], ['/hostward/v1/policy/q']));
      loop.everything();
    };
    clock.now += 60_000;
    take(changes(11n, [policy('q')]));
    await settled();
    expect(ordering(0)?.generation).toBe('12');
    expect(ordering(0)?.issuedAt).toBeGreaterThan(before?.issuedAt ?? 0);
    expect(ordering(2)?.generation).toBe('10');
  });

  it('writes something newer where no answer told what became of the last, though it is to have what it had before', async () => {
    await threeHosts();
    const before = channel.there.get(IDS[0] ?? '')?.bundleDigest;
    // It reaches the hosts, and what it was for is gone before it is tried again.
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      loop.mark(state.apply(changes(12n, [], ['/hostward/v1/policy/q'])));
      throw new Error('cut');
    };
    take(changes(11n, [policy('q')]));
    await settled();
    expect(ordering(0)?.generation).toBe('12');
    expect(channel.there.get(IDS[0] ?? '')?.bundleDigest).toBe(before);
  });

  it('writes what the channel lost also where it has an older one of the same', async () => {
    await threeHosts();
    const older = new Map(channel.there);
    take(changes(11n, [policy('q')]));
    await settled();
    take(changes(12n, [], ['/hostward/v1/policy/q']));
    await settled();
    const before = IDS.map((_, index) => ordering(index));
    for (const [id, record] of older) channel.there.set(id, record);
    clock.now += 60_000;
    loop.everything();
    await settled();
    expect(IDS.map((_, index) => ordering(index))).toEqual(before);
    expect(IDS.map((id) => board.get(id)?.ordering)).toEqual(before);
  });

  it('writes something newer when half of the time of what was lost is over', async () => {
    await threeHosts();
    channel.there.clear();
    clock.now += ASSIGNMENT_VALID_MS / 2;
    loop.everything();
    await settled();
    expect(ordering(0)?.issuedAt).toBe(clock.now);
  });

  it('writes something newer for a host that has something later than what was written', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const [before, writes] = [ordering(0), channel.writes];
    loop.told(first, { epoch: '1', generation: '10', issuedAt: before?.issuedAt ?? 0 });
    // Neither another epoch nor what etcd has not reached is this one's to judge.
    loop.told(first, { epoch: '2', generation: '10', issuedAt: 1 });
    loop.told(first, { epoch: '1', generation: '11', issuedAt: 1 });
    await settled();
    expect(channel.writes).toBe(writes);
    clock.now += 60_000;
    loop.told(first, { epoch: '1', generation: '10', issuedAt: (before?.issuedAt ?? 0) + 1 });
    await settled();
    expect(ordering(0)).toEqual({ ...before, issuedAt: clock.now });
    expect(channel.writes).toBe(writes + 1);
  });

  it('writes something after what a host has also where that is ahead of its clock, once, and for that host alone', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const seen = { epoch: '1', generation: '10', issuedAt: clock.now + 3_600_000 };
    const { writes } = channel;
    for (let report = 1; report <= 2; report += 1) {
      loop.told(first, seen);
      await settled();
      expect(ordering(0)).toEqual({ ...seen, issuedAt: seen.issuedAt + 1 });
      expect(channel.writes).toBe(writes + 1);
    }
    clock.now += 60_000;
    take(changes(11n, [policy('q')]));
    await settled();
    const newer = { epoch: '1', generation: '11', issuedAt: clock.now };
    expect([ordering(0), ordering(1)]).toEqual([newer, newer]);
  });

  it('does nothing about what no honest clock has signed, and says so once', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const [before, writes] = [ordering(0), channel.writes];
    const seen = { epoch: '1', generation: '10', issuedAt: Number.MAX_SAFE_INTEGER };
    for (let report = 1; report <= 2; report += 1) {
      loop.told(first, seen);
      await settled();
    }
    expect([ordering(0), channel.writes]).toEqual([before, writes]);
    expect(logged.filter((line) => line.includes('no clock'))).toHaveLength(1);
  });

  it('gives nothing again as it was to a host that says meanwhile that it has something later', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const before = IDS.map((_, index) => ordering(index));
    channel.there.clear();
    channel.failures = 1;
    loop.everything();
    await eventually('tried', () => logged.some((line) => line.includes('delivery failed')));
    loop.told(first, { epoch: '1', generation: '10', issuedAt: clock.now + 60_000 });
    await settled();
    expect([ordering(0), ordering(1)]).toEqual([
      { ...before[0], issuedAt: clock.now + 60_001 },
      before[1],
    ]);
  });

  it('leaves no host under the root document of before, when the next one comes in the middle of a round', async () => {
    await threeHosts();
    channel.whileBundleIsPut = () => {
      channel.whileBundleIsPut = () => undefined;
      trust.follow(nextRoot());
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await settled();
    expect([...channel.there.values()].map(({ root }) => rootVersion(root))).toEqual([2, 2, 2]);
  });

  it('does not take what another replica wrote under the root document of before for its own', async () => {
    clock.now += 3_600_000;
    await threeHosts();
    clock.now -= 3_600_000;
    trust.follow(nextRoot());
    const again = new DeliveryLoop({ ...parts, board: new Board() });
    again.everything();
    await eventually('nothing waits', () => again.waiting === 0);
    await again.stop();
    expect([...channel.there.values()].map(({ root }) => rootVersion(root))).toEqual([2, 2, 2]);
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

  /** Who has a host's key and Redis can make it: it opens, and no commit of ours has it. */
  async function sealedByTheHost(nodeId: string, aheadMs: number): Promise<Ordering> {
    const its = new FleetState(testKeks);
    const node = putNode(nodeRecord('its', { a: 'b' }, nodeId));
    its.apply(snapshot(10n, node, putHostKey(nodeId), policy('p'), policy('its')));
    const ahead = Object.assign(new SetClock(), { now: clock.now + aheadMs });
    const other = new DeliveryLoop({ ...parts, state: its, clock: ahead, board: new Board() });
    other.everything();
    await eventually('written', () => other.waiting === 0);
    await other.stop();
    const record = channel.there.get(nodeId);
    if (!record) throw new Error('nothing was written');
    channel.there.set(nodeId, unsigned(record));
    return record.ordering;
  }

  it.each([
    ['after it', 3_600_000],
    ['in its place where no clock of ours can have signed it', 400 * 86_400_000],
  ])(
    'writes for a host that has sealed something itself, and for no other, %s',
    async (_, aheadMs) => {
      await threeHosts();
      clock.now += ASSIGNMENT_VALID_MS / 2;
      const forged = await sealedByTheHost(IDS[0] ?? '', aheadMs);
      loop.renew();
      await settled();
      const isCredible = aheadMs < ASSIGNMENT_VALID_MS / 2;
      expect(ordering(0)?.issuedAt).toBe(isCredible ? forged.issuedAt + 1 : clock.now + 1);
      clock.now += 60_000;
      take(changes(11n, [policy('q')]));
      await settled();
      const newer = { epoch: '1', generation: '11', issuedAt: clock.now };
      expect([ordering(0), ordering(1)]).toEqual([newer, newer]);
    },
  );

  describe('before it has read of an epoch that another replica seals for already', () => {
    const epochs = () => IDS.map((_, index) => ordering(index)?.epoch);
    beforeEach(async () => {
      await threeHosts();
      await aheadByAnEpoch();
    });

    it('does not take what is there for forged where it writes', async () => {
      take(changes(11n, [policy('q')]));
      const tries = () => logged.filter((line) => line.includes('delivery failed')).length;
      await eventually('tried', () => tries() > 1 || ordering(0)?.epoch !== '2');
      expect(epochs()).toEqual(['2', '2', '2']);
    });

    it('does not take it for spoilt where it looks after what is there', async () => {
      loop.lookAfter();
      await eventually('looked', () => channel.looks > 0 && loop.waiting === 0);
      expect([epochs(), board.get(IDS[0] ?? '')?.ordering.epoch]).toEqual([['2', '2', '2'], '1']);
    });

    it.each([
      ['under a root document that does not follow', () => ({ root: trust.root.signed })],
      ['of an epoch that its root document is not of', () => ({ ordering: { epoch: '3' } })],
    ])('puts its own in the place of one %s', async (_, change) => {
      const record = channel.there.get(IDS[0] ?? '');
      if (!record) throw new Error('nothing is there');
      const { ordering: claimed, ...other } = { ordering: {}, ...change() };
      const forged = { ...record, ...other, ordering: { ...record.ordering, ...claimed } };
      channel.there.set(IDS[0] ?? '', forged);
      loop.lookAfter();
      await eventually('put back', () => ordering(0)?.epoch === '1');
      await settled();
    });
  });

  describe('with more hosts than are written at a time', () => {
    const ids = Array.from({ length: 450 }, (_, index) => String(index).padStart(64, '0'));
    let written: number[];
    let read: number[];
    beforeEach(async () => {
      const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, { a: 'b' }, id)));
      take(snapshot(10n, ...nodes, ...ids.map((id) => putHostKey(id)), policy('p')));
      await settled();
      [written, read] = [[], []];
      const [write, records] = [channel.write.bind(channel), channel.records.bind(channel)];
      channel.write = (parcels) => {
        if (parcels.length > 0) written.push(parcels.length);
        return write(parcels);
      };
      channel.records = (nodeIds) => {
        read.push(nodeIds.length);
        return records(nodeIds);
      };
    });

    it('writes nothing to a channel that was changed for another which has it all, and reads as many at a time', async () => {
      loop.everything();
      await settled();
      expect([written, read]).toEqual([[], [200, 200, 50]]);
    });

    it('reads what is in their way as many at a time, and opens a bundle once for these', async () => {
      const other = new DeliveryLoop({ ...parts, bundles: otherShelf(), board: new Board() });
      const affected = state.apply(changes(11n, [policy('q')]));
      other.mark(affected);
      await eventually('written', () => other.waiting === 0);
      await other.stop();
      // Whoever opens a bundle asks for its length, more than once.
      let looks = 0;
      const bundle = channel.bundle.bind(channel);
      channel.bundle = async (digest) => {
        const bytes = Buffer.from((await bundle(digest)) ?? []);
        const { byteLength } = bytes;
        const get = () => {
          looks += 1;
          return byteLength;
        };
        return Object.defineProperty(bytes, 'byteLength', { get });
      };
      read = [];
      loop.mark(affected);
      await settled();
      expect(looks).toBeLessThan(20);
      expect(read).toEqual([200, 200, 50]);
      expect(board.get(ids[0] ?? '')?.kept).toBe(channel.there.get(ids[0] ?? '')?.bundleDigest);
    });

    it('goes on with nothing that was sealed for a channel that was emptied since', async () => {
      const empty = () => {
        channel.there.clear();
        loop.everything();
      };
      channel.beforeAnswer = () => {
        channel.beforeAnswer = () => undefined;
        empty();
      };
      empty();
      await settled();
      expect(written).toEqual([200, 200, 200, 50]);
      expect([...channel.there.keys()].sort()).toEqual(ids);
    });

    it('goes on with nothing newer either', async () => {
      channel.beforeAnswer = () => {
        channel.beforeAnswer = () => undefined;
        channel.there.clear();
        loop.everything();
      };
      take(changes(11n, [policy('q')]));
      await settled();
      expect(written).toEqual([200, 200, 200, 50]);
      expect([...channel.there.keys()].sort()).toEqual(ids);
    });
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

  describe('while something is in the way of one host that it cannot write over', () => {
    beforeEach(async () => {
      await loop.stop();
      // The longest time between tries.
      jest.spyOn(Math, 'random').mockReturnValue(0.999);
      loop = new DeliveryLoop(parts);
      await threeHosts();
      loop.everything();
      await settled();
      await aheadOf(IDS[0] ?? '', 1_000n);
      take(changes(11n, [policy('q')]));
      const failures = () => logged.filter((line) => line.includes('delivery failed')).length;
      await eventually('tried again and again', () => failures() > 4, 20_000);
    });
    afterEach(() => void jest.restoreAllMocks());
    const isThere = () => ordering(0)?.generation === '1000';

    it('writes for others without a delay', async () => {
      const waited: number[] = [];
      for (let generation = 12; generation < 16; generation += 1) {
        const label = { a: String(generation) };
        const beganMs = performance.now();
        take(changes(BigInt(generation), [putNode(nodeRecord('n1', label, IDS[1]))]));
        take(changes(BigInt(generation), [putPolicy(policyRecord(hostPolicy('only', label)))]));
        await eventually('written', () => ordering(1)?.generation === String(generation));
        waited.push(performance.now() - beganMs);
      }
      expect(Math.max(...waited)).toBeLessThan(1_000);
      expect(isThere()).toBe(true);
    });

    it('removes what a host that is gone has left', async () => {
      take(changes(11n, [], ['/hostward/v1/node/n2']));
      await eventually('removed', () => !channel.there.has(IDS[2] ?? ''), 5_000);
      expect(isThere()).toBe(true);
    });

    it('asks for the keys of new hosts', async () => {
      take(changes(11n, [putNode(nodeRecord('new', { a: 'b' }, '4'.repeat(64)))]));
      await eventually('asked', () => madeKeys.includes('new'), 5_000);
    });

    it('puts back what vanished of others, and removes no bundle', async () => {
      const bundles = new Set(channel.bundles);
      for (let look = 1; look <= 3; look += 1) {
        channel.there.delete(IDS[1] ?? '');
        loop.lookAfter();
        await eventually('put back', () => ordering(1), 5_000);
      }
      expect(channel.bundles.isSupersetOf(bundles)).toBe(true);
    });
  });

  it('removes what a host that is gone has left also while nothing can be written', async () => {
    await threeHosts();
    channel.write = () => Promise.reject(new Error('OOM command not allowed'));
    take(changes(11n, [policy('q')], ['/hostward/v1/node/n2']));
    await eventually('removed', () => !channel.there.has(IDS[2] ?? ''), 5_000);
    Reflect.deleteProperty(channel, 'write');
    await settled();
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

  it('puts back what vanished also while not all that is there can be listed, and sweeps when it can', async () => {
    await threeHosts();
    loop.everything();
    await settled();
    channel.events.add('e'.repeat(64));
    channel.contents = () => Promise.reject(new Error('the Redis for events is away'));
    channel.there.delete(IDS[1] ?? '');
    loop.lookAfter();
    await eventually('put back', () => ordering(1));
    await settled();
    Reflect.deleteProperty(channel, 'contents');
    for (let look = 1; look <= 2; look += 1) {
      expect(channel.events.size).toBe(1);
      channel.looks = 0;
      loop.lookAfter();
      await eventually('looked', () => channel.looks > 0);
    }
    await eventually('swept', () => channel.events.size === 0);
  });

  it('puts an assignment back that was spoilt where it lies, however many there are', async () => {
    const ids = Array.from({ length: 40 }, (_, index) => String(index).padStart(64, '0'));
    const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, { a: 'b' }, id)));
    take(snapshot(10n, ...nodes, ...ids.map((id) => putHostKey(id)), policy('p')));
    await settled();
    const { writes } = channel;
    const last = ids.at(-1) ?? '';
    const record = channel.there.get(last);
    if (!record) throw new Error('nothing was written');
    const leaf = record.leaf.replace(/.{4}$/, 'AAAA');
    channel.there.set(last, { ...record, leaf });
    for (let look = 1; look <= 2; look += 1) {
      channel.looks = 0;
      loop.lookAfter();
      await eventually('looked', () => channel.looks > 0 && loop.waiting === 0);
    }
    await eventually('put back', () => channel.there.get(last)?.leaf !== leaf, 10_000);
    await settled();
    expect(channel.writes).toBe(writes + 1);
  });

  describe('while the Redis for events is away', () => {
    let answer: () => void;
    beforeEach(async () => {
      await threeHosts();
      channel.events.add(IDS[0] ?? '');
      channel.forgetEvents = () =>
        new Promise((_, reject) => {
          answer = () => reject(new Error('the Redis for events is away'));
        });
      take(changes(11n, [], ['/hostward/v1/node/n0']));
      await eventually('its assignment is removed', () => ordering(0) === undefined);
      await eventually('nothing else waits', () => loop.waiting === 1);
    });
    afterEach(() => answer());

    it('delivers to all others, and removes what a host that is gone has left there when it can', async () => {
      take(changes(12n, [policy('p', '/bin/later')]));
      await eventually('delivered', () => ordering(1)?.generation === '12');
      expect(board.get(IDS[0] ?? '')).toBeUndefined();
      Reflect.deleteProperty(channel, 'forgetEvents');
      answer();
      await eventually('told', () => logged.some((line) => line.includes('not removed')));
      await settled();
      expect([...channel.there.keys(), ...channel.events]).toEqual(IDS.slice(1));
    });

    it('takes a host that came back as any other', async () => {
      take(changes(12n, [putNode(nodeRecord('n0', { a: 'b' }, IDS[0]))]));
      await eventually('delivered', () => ordering(0)?.generation === '12');
      answer();
      await settled();
      expect([...channel.events]).toEqual([IDS[0]]);
    });

    it('puts right what lies there for others', async () => {
      channel.there.delete(IDS[1] ?? '');
      loop.lookAfter();
      await eventually('put back', () => ordering(1));
    });
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

  it('lets a change go between the keys of a fleet that has none of this epoch', async () => {
    await threeHosts();
    const made: number[] = [];
    const other = new DeliveryLoop({
      ...parts,
      board: new Board(),
      makeHostKeys: (nodes) => {
        made.push(nodes.length);
        if (made.length === 1) other.mark(state.apply(changes(12n, [policy('q')])));
        else if (made.length === 2) expect(ordering(0)?.generation).toBe('12');
        return Promise.resolve();
      },
    });
    const ids = Array.from({ length: 2_500 }, (_, index) => String(index).padStart(64, '0'));
    const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, {}, id)));
    other.mark(state.apply(changes(11n, nodes)));
    await eventually('nothing waits', () => other.waiting === 0);
    await other.stop();
    expect(made).toEqual([1_000, 1_000, 500]);
    expect(ordering(0)?.generation).toBe('12');
  });

  it('seals what it worked out at that revision, whatever comes while keys are made', async () => {
    await threeHosts();
    const makeHostKeys = (): Promise<void> => {
      state.apply(changes(12n, [policy('r')]));
      return Promise.resolve();
    };
    const other = new DeliveryLoop({ ...parts, board: new Board(), makeHostKeys });
    const keyless = putNode(nodeRecord('new', { a: 'b' }, '4'.repeat(64)));
    other.mark(state.apply(changes(11n, [policy('q'), keyless])));
    await eventually('nothing waits', () => other.waiting === 0);
    await other.stop();
    expect(channel.there.get(IDS[0] ?? '')?.ordering.generation).toBe('11');
  });

  it('delivers nothing to a host that is only declared', async () => {
    take(snapshot(5n, putNode(nodeRecord('declared', { a: 'b' })), policy('p')));
    await settled();
    expect(channel.there.size).toBe(0);
  });
});

describe('delivery with another replica', () => {
  /** Hosts that are the other one's; both know the same. */
  const theirs = new Set<string>();
  let mine: DeliveryLoop;
  beforeEach(async () => {
    theirs.clear();
    for (const id of IDS.slice(1)) theirs.add(id);
    board = new Board();
    mine = new DeliveryLoop({ ...parts, board, replicas: { owns: (id) => !theirs.has(id) } });
    await threeHosts();
    mine.everything();
    await nothingWaits();
  });
  afterEach(() => mine.stop());

  const nothingWaits = () => eventually('nothing waits here', () => mine.waiting === 0);
  const generations = () => IDS.map((_, index) => ordering(index)?.generation);
  /** Both are told of a change, the other one only where `told` says so. */
  const both = (message: Parameters<FleetState['apply']>[0], told = true): void => {
    const affected = state.apply(message);
    if (told) loop.mark(affected);
    mine.mark(affected);
  };

  it('writes at once what is its own, and takes over what the owner of the others has written', async () => {
    const { writes } = channel;
    both(changes(11n, [policy('q')]));
    await nothingWaits();
    // n2 is not selected; n0 is this one's, and n1 was written by its owner.
    expect(generations()).toEqual(['11', '11', '10']);
    expect(board.get(IDS[1] ?? '')?.ordering).toEqual(ordering(1));
    expect(channel.writes - writes).toBeLessThanOrEqual(3);
  });

  it('writes what the owner of a host leaves waiting', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => ordering(0)?.generation === '11');
    expect(ordering(1)?.generation).toBe('10');
    await nothingWaits();
    expect(generations()).toEqual(['11', '11', '10']);
    expect(logged.some((line) => line.includes('left waiting'))).toBe(true);
  });

  it('seals what it worked out at that revision, whatever comes while it looks', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => ordering(0)?.generation === '11');
    channel.whileRecordsAreRead = () => {
      if (state.revision === 11n) state.apply(changes(12n, [policy('r')]));
    };
    const digests = new Set<string | undefined>();
    channel.beforeAnswer = () => {
      const there = channel.there.get(IDS[1] ?? '');
      if (there?.ordering.generation === '12') digests.add(there.bundleDigest);
    };
    theirs.clear();
    mine.takeOver((id) => id === IDS[1]);
    await nothingWaits();
    expect([...digests]).toEqual([parts.bundles.of(state.activePolicies('n1')).digest]);
  });

  it('does not let its own wait for a look at those of others', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => ordering(0)?.generation === '11');
    both(changes(12n, [policy('r')]), false);
    await eventually('its own at once', () => ordering(0)?.generation === '12');
    expect(ordering(1)?.generation).toBe('10');
  });

  it('writes nothing when it takes hosts over that have what they are to have', async () => {
    const { writes } = channel;
    theirs.clear();
    mine.takeOver((id) => id !== IDS[0]);
    await nothingWaits();
    expect(channel.writes).toBe(writes);
    expect(board.get(IDS[1] ?? '')?.ordering).toEqual(ordering(1));
  });

  it('writes at once what is missing or another where it takes hosts over', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => ordering(0)?.generation === '11');
    channel.there.delete(IDS[2] ?? '');
    theirs.clear();
    mine.takeOver((id) => id !== IDS[0]);
    await nothingWaits();
    expect(generations()).toEqual(['11', '11', '11']);
  });

  it('gives nothing again as it was to hosts of another: what that one has written since is not known', async () => {
    const before = IDS.map((_, index) => ordering(index)?.issuedAt ?? 0);
    channel.there.clear();
    clock.now += 60_000;
    mine.everything();
    await nothingWaits();
    expect(ordering(0)?.issuedAt).toBe(before[0]);
    for (const index of [1, 2]) expect(ordering(index)?.issuedAt).toBeGreaterThanOrEqual(clock.now);
  });

  it('leaves it to their owner to write what was lost as hosts have it, though that one notices later', async () => {
    const before = IDS.map((_, index) => ordering(index));
    channel.there.clear();
    clock.now += 60_000;
    let reads = 0;
    channel.whileRecordsAreRead = () => (reads += 1);
    const beganMs = performance.now();
    mine.everything();
    // Longer than it is patient where hosts wait for something newer.
    await eventually('looked for', () => reads > 3 && performance.now() - beganMs > 3_000);
    loop.everything();
    await settled();
    await nothingWaits();
    expect(IDS.map((_, index) => ordering(index))).toEqual(before);
    expect(board.get(IDS[1] ?? '')?.ordering).toEqual(before[1]);
  });

  it('leaves it to the owner of a host to renew, and does it where that one does not', async () => {
    const before = IDS.map((_, index) => ordering(index));
    clock.now += ASSIGNMENT_VALID_MS / 2;
    mine.renew();
    await nothingWaits();
    expect(IDS.map((_, index) => ordering(index))).toEqual([
      { ...before[0], issuedAt: clock.now },
      ...before.slice(1),
    ]);
    clock.now += 60_000;
    mine.renew();
    await nothingWaits();
    for (const index of [1, 2]) expect(ordering(index)?.issuedAt).toBeGreaterThanOrEqual(clock.now);
  });

  it('takes over what the owner has renewed', async () => {
    clock.now += ASSIGNMENT_VALID_MS / 2;
    loop.renew();
    await settled();
    const renewed = [ordering(1), ordering(2)];
    clock.now += 60_000;
    mine.renew();
    await nothingWaits();
    expect([ordering(1), ordering(2)]).toEqual(renewed);
    expect(board.get(IDS[1] ?? '')?.ordering).toEqual(ordering(1));
  });

  it('leaves a host of another that has something later to that one', async () => {
    const { writes } = channel;
    const later = { epoch: '1', generation: '10', issuedAt: clock.now + 1 };
    for (const id of IDS.slice(1)) mine.told(id, later);
    await nothingWaits();
    expect(channel.writes).toBe(writes);
  });

  it('fills a channel that lost everything also where the owner does not', async () => {
    channel.there.clear();
    channel.bundles.clear();
    mine.everything();
    await nothingWaits();
    expect([channel.there.size, channel.bundles.size]).toEqual([3, 2]);
  });
});

describe('delivery with a replica of a version that renders otherwise', () => {
  const [FIRST = ''] = IDS;
  let other: DeliveryLoop;
  let otherBoard: Board;
  beforeEach(async () => {
    await loop.stop();
    otherBoard = new Board();
    const isOthers = (id: string) => id === FIRST;
    loop = new DeliveryLoop({ ...parts, replicas: { owns: (id) => !isOthers(id) } });
    const bundles = otherShelf();
    other = new DeliveryLoop({
      ...{ ...parts, bundles, board: otherBoard, replicas: { owns: isOthers } },
      metrics: new Metrics(),
    });
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    both(snapshot(10n, ...nodes, ...IDS.map((id) => putHostKey(id)), policy('p')));
    await quiet();
  });
  afterEach(() => other.stop());

  const both = (message: Parameters<FleetState['apply']>[0]): void => {
    const affected = state.apply(message);
    for (const each of [loop, other]) each.mark(affected);
  };
  const nothingWaits = () =>
    eventually('nothing waits', () => loop.waiting === 0 && other.waiting === 0, 20_000);
  /** Hosts tell both what they have, until nobody has anything to do about it. */
  const quiet = async (): Promise<void> => {
    for (let round = 1; round <= 10; round += 1) {
      await nothingWaits();
      const { writes } = channel;
      for (const [id, { ordering: seen }] of channel.there)
        for (const each of [loop, other]) each.told(id, seen);
      await nothingWaits();
      if (channel.writes === writes) return;
    }
    throw new Error('there is no end of writing');
  };
  const there = (): DeliveryRecord => {
    const record = channel.there.get(FIRST);
    if (!record) throw new Error('nothing is there');
    return record;
  };
  const keptLines = () => logged.filter((line) => line.includes('renders the same')).length;
  /** The first host, which has what the other one rendered, is ours now. */
  const takeOver = async (): Promise<void> => {
    loop.takeOver((id) => id === FIRST);
    await nothingWaits();
  };
  const isTheOthers = () => there().bundleDigest === otherBoard.get(FIRST)?.wanted.bundle.digest;

  it('writes each change once, leaves what was first, and says so once', async () => {
    for (const [index, name] of ['q', 'r', 's'].entries()) {
      const [writes, lines] = [channel.writes, keptLines()];
      both(changes(BigInt(11 + index), [policy(name)]));
      await quiet();
      expect(channel.writes - writes).toBe(IDS.length);
      expect(isTheOthers()).toBe(true);
      // Each of both of what the other one has written.
      expect(keptLines() - lines).toBe(2);
    }
  });

  it('writes a change once also where others change in between, so that generations differ', async () => {
    const { writes } = channel;
    both(changes(11n, [policy('q')]));
    await eventually('its owner has written it', () => ordering(0)?.generation === '11');
    state.apply(changes(12n, []));
    await quiet();
    expect(channel.writes - writes).toBe(IDS.length);
  });

  it('writes a host once that is removed and made again at once', async () => {
    const { writes } = channel;
    const made = putNode(nodeRecord('n0', { a: 'c' }, FIRST));
    const message = changes(11n, [made], ['/hostward/v1/node/n0']);
    if (message.type !== 'changes') throw new Error('is no change');
    both({ ...message, changes: message.changes.toReversed() });
    await quiet();
    expect([channel.writes - writes, isTheOthers()]).toEqual([1, true]);
  });

  it('leaves what was first also where it had not yet read as far as the other one', async () => {
    await loop.stop();
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    const keys = IDS.map((id) => putHostKey(id));
    const lagging = new FleetState(testKeks);
    loop = new DeliveryLoop({ ...parts, state: lagging, board: (board = new Board()) });
    loop.mark(lagging.apply(snapshot(10n, ...nodes, ...keys, policy('p'))));
    await settled();
    const change = changes(11n, [policy('q')]);
    other.mark(state.apply(change));
    state.apply(changes(12n, []));
    await eventually('its owner has written it', () => ordering(0)?.generation === '12', 20_000);
    const { writes } = channel;
    loop.mark(lagging.apply(change));
    await eventually('it was in the way', () =>
      logged.some((line) => line.includes('delivery failed')),
    );
    lagging.apply(changes(12n, []));
    clock.now += 60_000;
    await quiet();
    expect(channel.writes - writes).toBe(IDS.length - 1);
    expect([isTheOthers(), board.get(FIRST)?.kept]).toEqual([true, there().bundleDigest]);
  });

  it('leaves what was first also where it is the owner, and was late', async () => {
    await loop.stop();
    loop = new DeliveryLoop({ ...parts, board: (board = new Board()) });
    const affected = state.apply(changes(11n, [policy('q')]));
    other.mark(affected);
    await eventually('written by the other one', () => ordering(1)?.generation === '11', 20_000);
    const { writes } = channel;
    loop.mark(affected);
    await quiet();
    expect(channel.writes).toBe(writes);
    expect(board.get(FIRST)?.kept).toBe(there().bundleDigest);
  });

  it('names in its board the bundle that is there', () => {
    expect(board.get(FIRST)?.kept).toBe(there().bundleDigest);
    expect(board.digests().has(there().bundleDigest)).toBe(true);
  });

  it('takes over what the owner of a host has written since, when the host tells of it', async () => {
    clock.now += ASSIGNMENT_VALID_MS / 2;
    other.renew();
    await eventually('its owner has renewed it', () => ordering(0)?.issuedAt === clock.now);
    loop.told(FIRST, there().ordering);
    await nothingWaits();
    expect(board.get(FIRST)).toMatchObject({ ordering: ordering(0), kept: there().bundleDigest });
    expect(isTheOthers()).toBe(true);
  });

  it.each([
    ['is not signed by us', () => channel.there.set(FIRST, unsigned(there()))],
    ['has no bundle', () => channel.bundles.delete(there().bundleDigest)],
    ['is of the root document of before', () => trust.follow(nextRoot())],
    ['is half over', () => (clock.now += ASSIGNMENT_VALID_MS / 2)],
    ['is older', () => loop.mark(state.apply(changes(11n, [], ['/hostward/v1/policy/p'])))],
  ])('does not leave what %s', async (_, spoil) => {
    await other.stop();
    spoil();
    await takeOver();
    expect(isTheOthers()).toBe(false);
    expect(board.get(FIRST)?.kept).toBeUndefined();
  });

  it('does not leave what another one made without a document that it cannot read', async () => {
    await other.stop();
    const blind = new FleetState(testKeks);
    const node = putNode(nodeRecord('n0', { a: 'b' }, FIRST));
    blind.apply(snapshot(11n, node, putHostKey(FIRST), policy('p')));
    const theirs = { ...parts, state: blind, board: new Board(), bundles: otherShelf() };
    const old = new DeliveryLoop(theirs);
    old.everything();
    await eventually('written by that one', () => ordering(0)?.generation === '11');
    await old.stop();
    loop.mark(state.apply(changes(11n, [policy('q')])));
    await takeOver();
    expect(board.get(FIRST)).toMatchObject({ kept: undefined, ordering: ordering(0) });
    expect(isTheOthers()).toBe(false);
  });

  it('does not leave what another one made of other documents of the same revision', async () => {
    await other.stop();
    const apart = new FleetState(testKeks);
    const node = putNode(nodeRecord('n0', { a: 'b' }, FIRST));
    apart.apply(snapshot(10n, node, putHostKey(FIRST), policy('p')));
    apart.apply(changes(11n, [policy('q')]));
    const theirs = { ...parts, state: apart, board: new Board(), bundles: otherShelf() };
    const blind = new DeliveryLoop(theirs);
    blind.everything();
    await eventually('written by that one', () => ordering(0)?.generation === '11');
    await blind.stop();
    loop.mark(state.apply(changes(11n, [policy('r')])));
    await takeOver();
    expect(board.get(FIRST)).toMatchObject({ kept: undefined, ordering: ordering(0) });
    expect(isTheOthers()).toBe(false);
  });

  it.each([
    ['leaves what another one made of the same groups', ['g']],
    ['does not leave what another one made of other groups', ['g', 'h']],
  ])('%s, in authored mode', async (_, groups) => {
    await Promise.all([loop.stop(), other.stop()]);
    const { root, earlierRoots, online } = trust;
    const head = (kind: string, name: string) => {
      const { envelope } = policyRecord(hostPolicy(name, { a: 'b' }));
      return { kind, name, envelope, revision: 10n } as SignedHead;
    };
    const authored = (names: readonly string[]): DeliveryParts => ({
      ...{ ...parts, board: new Board(), trust: { root, earlierRoots, online, authored: true } },
      authored: {
        heads: (kind) =>
          (({ policy: ['p'], group: names })[String(kind)] ?? []).map((name) => head(kind, name)),
        get: () => undefined,
      },
    });
    channel.there.clear();
    const theirs = new DeliveryLoop({ ...authored(['g']), bundles: otherShelf() });
    theirs.everything();
    await eventually('written by that one', () => theirs.waiting === 0);
    await theirs.stop();
    const first = there().bundleDigest;
    loop = new DeliveryLoop(authored(groups));
    loop.mark({ nodes: new Set(['n0']), removed: new Set(), gone: new Set() } as Affected);
    loop.takeOver((id) => id === FIRST);
    await settled();
    expect(there().bundleDigest === first).toBe(groups.length === 1);
  });

  it('writes its own where the bundle of another one is lost', async () => {
    await other.stop();
    channel.bundles.delete(there().bundleDigest);
    loop.lookAfter();
    await eventually('its own is there', () => !isTheOthers(), 20_000);
    expect(channel.bundles.has(there().bundleDigest)).toBe(true);
  });

  it('leaves it to the owner to write what was lost as hosts have it, though that one notices later', async () => {
    const before = channel.there.get(FIRST)?.ordering;
    channel.there.clear();
    clock.now += 60_000;
    let reads = 0;
    channel.whileRecordsAreRead = () => (reads += 1);
    const beganMs = performance.now();
    loop.everything();
    await eventually('looked for', () => reads > 3 && performance.now() - beganMs > 3_000);
    other.everything();
    await nothingWaits();
    expect([ordering(0), isTheOthers()]).toEqual([before, true]);
  });

  it('gives nothing again at an ordering that hosts know from another one', async () => {
    await takeOver();
    await other.stop();
    const before = there().ordering;
    loop = new DeliveryLoop({ ...parts, board });
    loop.everything();
    await eventually('nothing waits', () => loop.waiting === 0, 20_000);
    channel.there.clear();
    clock.now += 60_000;
    loop.everything();
    await eventually('nothing waits', () => loop.waiting === 0, 20_000);
    expect(there().ordering.issuedAt).toBeGreaterThan(before.issuedAt);
  });

  it('writes something newer for a host that has something later than what it left', async () => {
    await takeOver();
    await other.stop();
    const own = new DeliveryLoop({ ...parts, board });
    const seen = { ...there().ordering, issuedAt: there().ordering.issuedAt + 1 };
    clock.now += 60_000;
    own.told(FIRST, seen);
    await eventually('something newer is there', () => ordering(0)?.issuedAt === clock.now);
    await own.stop();
  });
});
