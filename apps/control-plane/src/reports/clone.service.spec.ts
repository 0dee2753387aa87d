import { describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import type { NodeReport } from '#contracts';
import { Log } from '#observability';
import { Clock } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { Metrics } from '../health/metrics.js';
import { Ledger, type CommitResult, type LedgerChange } from '../store/ledger.js';
import { AT, changes, nodeRecord, putNode, snapshot, testKeks } from '../testing/records.js';
import { CloneService } from './clone.service.js';
import type { HostInbox } from './host-inbox.js';
import type { KnownHost } from './known-hosts.js';
import { ReportCache } from './report-cache.js';

const NODE = 'c'.repeat(64);
const HOST: KnownHost = { nodeId: NODE, node: 'web1', channelKey: Buffer.alloc(32) };
const START_MS = Date.parse(AT);
const MINUTE_MS = 60_000;

class SetClock extends Clock {
  now = START_MS;
  override nowMs(): number {
    return this.now;
  }
}

/** Commits into the fleet at once, as etcd and its watch do in a moment. */
class InstantLedger extends Ledger {
  readonly actions: string[] = [];
  constructor(private readonly fleet: Fleet) {
    super();
  }
  override commit({ then, auditLog }: LedgerChange): Promise<CommitResult> {
    const revision = this.fleet.state.revision + 1n;
    const puts = then.flatMap((write) =>
      write.type === 'put' ? [{ key: write.key, value: String(write.value) }] : [],
    );
    this.fleet.take(changes(revision, puts));
    this.actions.push(auditLog.action);
    return Promise.resolve({ outcome: 'committed', revision });
  }
}

function service() {
  const { privateKey, keyid, key } = generateSigningKey();
  const keys = [{ keyid, key }];
  const document = {
    v: 1,
    version: 1,
    epoch: '1',
    expiresAt: 4_000_000_000_000,
    mode: 'managed',
    root: { threshold: 1, keys },
    authors: [],
    online: keys,
  } as const;
  const signer = loadSigner(privateKey);
  const root = trustRoot(signRoot(document, [signer]));
  const secrets = { epochSecret: Buffer.alloc(32), keks: testKeks };
  const trust = new Trust(root, signer, secrets);
  const [fleet, clock, cache] = [new Fleet(testKeks), new SetClock(), new ReportCache()];
  fleet.take(snapshot(1n, putNode(nodeRecord('web1', {}, NODE))));
  const ledger = new InstantLedger(fleet);
  const editor = new FleetEditor(fleet, ledger, trust);
  const log = new Log({ write: () => undefined });
  const clones = new CloneService(fleet, editor, cache, inbox, clock, new Metrics(), log);
  const mark = () => fleet.state.nodes.get('web1')?.record.clone;
  forgotten.length = 0;
  heard = true;
  return { clones, clock, ledger, cache, mark };
}

/** Hosts whose state is to be read again. */
const forgotten: string[] = [];
/** Whether hosts can be heard. */
let heard = true;
const inbox = {
  isHeard: () => heard,
  forget: (nodeId: string) => void forgotten.push(nodeId),
} as unknown as HostInbox;

function report(bootedAtMs: number, sequence: number, nowMs: number): NodeReport {
  return {
    v: 1,
    nodeId: NODE,
    sequence,
    bootedAt: new Date(bootedAtMs).toISOString(),
    asOf: new Date(nowMs).toISOString(),
    enforcer: 'none',
    conditions: [],
    drift: [],
    policies: [],
    host: { hostname: 'web1', kernel: '', lsm: [] },
    versions: { agent: '', sensor: '' },
    losses: { audit: 0, spool: 0 },
  };
}

/** Original and copy in turn, often enough to be found. */
async function bothReport({
  clones,
  clock,
}: Pick<ReturnType<typeof service>, 'clones' | 'clock'>): Promise<void> {
  for (let sequence = 1; sequence < 10; sequence += 1) {
    for (const bootedAtMs of [START_MS - MINUTE_MS, START_MS]) {
      clock.now += 5_000;
      clones.admits(HOST, report(bootedAtMs, sequence, clock.now));
    }
    await new Promise(setImmediate);
  }
}

describe('the mark of a copied identity', () => {
  it('is written once, stays while both report, and is taken away when one was silent for minutes', async () => {
    const { clones, clock, ledger, mark } = service();
    const [original, copy] = [START_MS - MINUTE_MS, START_MS];
    const hear = (bootedAtMs: number, sequence: number): boolean => {
      clock.now += 5_000;
      return clones.admits(HOST, report(bootedAtMs, sequence, clock.now));
    };
    for (let sequence = 1; sequence < 10; sequence += 1) {
      hear(original, sequence);
      hear(copy, sequence);
      await new Promise(setImmediate);
    }
    expect(mark()?.kept.bootedAt).toBe(new Date(original).toISOString());
    expect(new Set(clones.closely())).toEqual(new Set([NODE]));
    expect(ledger.actions).toEqual(['node.cloned']);
    expect(hear(copy, 10)).toBe(false);
    expect(hear(original, 10)).toBe(true);
    await clones.run();
    expect(mark()).toBeDefined();
    for (let second = 0; second < 292; second += 1) {
      clock.now += 1_000;
      await clones.run();
    }
    expect(hear(copy, 11)).toBe(false);
    clock.now += 4_000;
    await clones.run();
    expect(mark()).toBeUndefined();
    expect(clones.closely()).toEqual([]);
    expect(ledger.actions).toEqual(['node.cloned', 'node.clone-ended']);
    expect(hear(copy, 12)).toBe(true);
  });

  it('has the cache read anew when it comes and when it goes, whichever replica writes it', async () => {
    const { clones, clock, cache } = service();
    const put = (): boolean => cache.put(report(START_MS, 1, clock.now), clock.now);
    put();
    await clones.run();
    expect([forgotten, cache.get(NODE) !== undefined]).toEqual([[], true]);
    await bothReport({ clones, clock });
    await clones.run();
    expect([forgotten, cache.get(NODE)]).toEqual([[NODE], undefined]);
    put();
    await clones.run();
    expect([forgotten, cache.get(NODE) !== undefined]).toEqual([[NODE], true]);
  });

  it('stays where nobody can be heard, since Redis is away, and until five minutes after it is back', async () => {
    const { clones, clock, mark } = service();
    await bothReport({ clones, clock });
    const pass = async (seconds: number, isHeard: boolean): Promise<void> => {
      for (let second = 0; second < seconds; second += 1) {
        clock.now += 1_000;
        heard = isHeard;
        await clones.run();
      }
    };
    await pass(3_600, false);
    expect(mark()).toBeDefined();
    await pass(299, true);
    expect(mark()).toBeDefined();
    await pass(2, true);
    expect(mark()).toBeUndefined();
  });

  it('stays where nobody was heard because the control plane itself stood still', async () => {
    const { clones, clock, mark } = service();
    await bothReport({ clones, clock });
    await clones.run();
    clock.now += 10 * MINUTE_MS;
    await clones.run();
    expect(mark()).toBeDefined();
  });
});
