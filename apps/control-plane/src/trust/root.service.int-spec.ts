import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import { etcdKeys, EtcdStore } from '#etcd';
import { type EtcdServer, startEtcd } from '#testing';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { type CommitResult, Ledger, type LedgerChange } from '../store/ledger.js';
import { changes, snapshot, testKeks } from '../testing/records.js';
import { RootService } from './root.service.js';

const made = generateSigningKey();
const signer = loadSigner(made.privateKey);
const keys = [{ keyid: made.keyid, key: made.key }];
const root = (version: number, epoch: string) => {
  const kept = { v: 1, version, epoch, expiresAt: 4_000_000_000_000, mode: 'managed' } as const;
  const document = { ...kept, root: { threshold: 1, keys }, authors: [], online: keys };
  return signRoot(document, [signer]);
};
const first = root(1, '1');

/** Without an audit log. */
class BareLedger extends Ledger {
  constructor(
    private readonly store: EtcdStore,
    private readonly fleet: Fleet,
  ) {
    super();
  }

  override async commit(change: LedgerChange): Promise<CommitResult> {
    const { succeeded, revision } = await this.store.transact(change);
    this.fleet.take(changes(revision, []));
    return { outcome: succeeded ? 'committed' : 'conflict', revision };
  }
}

let server: EtcdServer;
let store: EtcdStore;
beforeEach(async () => {
  server = await startEtcd();
  store = EtcdStore.connect({ hosts: [server.url], callTimeoutMs: 20_000 });
});
afterEach(async () => {
  store.close();
  await server.stop();
});

/** A control plane that has not heard yet what others write. */
function replica(): RootService {
  const fleet = new Fleet(testKeks);
  fleet.take(snapshot(1n));
  const secrets = { epochSecret: Buffer.alloc(32), keks: testKeks };
  const trust = new Trust(trustRoot(first), signer, secrets);
  return new RootService(trust, new FleetEditor(fleet, new BareLedger(store, fleet), trust), store);
}

async function kept(): Promise<unknown> {
  const found = await store.get(etcdKeys.rootDocument(2));
  return JSON.parse(String(found?.value));
}

describe('two next root documents, sent to two control planes', () => {
  it('are not both taken: the second is refused where the first is not known yet', async () => {
    const one = root(2, '1');
    await replica().publish(one);
    await expect(replica().publish(root(2, '2'))).rejects.toMatchObject({ kind: 'conflict' });
    expect(await kept()).toEqual(one);
  });

  it('are not both taken at the same time', async () => {
    const sent = [root(2, '1'), root(2, '2')];
    const answers = await Promise.allSettled(sent.map((each) => replica().publish(each)));
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await kept()).toEqual(sent[answers.findIndex(({ status }) => status === 'fulfilled')]);
  });
});
