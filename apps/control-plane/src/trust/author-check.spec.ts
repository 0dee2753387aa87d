import { beforeAll, expect, it } from '@jest/globals';
import {
  type AuthorScope,
  generateSigningKey,
  loadSigner,
  signAuthored,
  signRoot,
  trustRoot,
} from '#bundle';
import { etcdKeys } from '#etcd';
import { Trust } from '../config/trust.js';
import { FleetState } from '../store/fleet-state.js';
import {
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  put,
  putNode,
  putPolicy,
  snapshot,
  testKeks,
} from '../testing/records.js';
import { stepsOf } from '../testing/steps.js';
import { AuthorCheck, type Known, type Offered } from './author-check.js';
import { AuthoredIndex, verifySigned } from './authored-index.js';
import { SignedView } from './signed-view.js';

const HOSTS = 300;
const POLICIES = 300;
const key = () => {
  const { privateKey, keyid, key } = generateSigningKey();
  return { signer: loadSigner(privateKey), keyid, key };
};
const [online, chief, prodOnly] = [key(), key(), key()];
const [ofProcesses, ofExemptions] = [key(), key()];
const scoped = ({ keyid, key }: typeof chief, scope?: AuthorScope) => ({
  ...{ keyid, key, ...(scope && { scope }) },
});
const selector = { 'hostward.io/group': 'web' };
const policies = Array.from({ length: POLICIES }, (_, at) => hostPolicy(`p${at}`, selector));

let trust: Trust;
let check: AuthorCheck;
let fleet: Known;
beforeAll(() => {
  const root = signRoot(
    {
      ...({
        v: 1,
        version: 1,
        epoch: '1',
        expiresAt: 4_000_000_000_000,
        mode: 'authored',
      } as const),
      ...{ root: { threshold: 1, keys: [scoped(online)] }, online: [scoped(online)] },
      authors: [
        scoped(chief),
        scoped(prodOnly, { labels: { env: 'prod' } }),
        scoped(ofProcesses, { sections: ['process'] }),
        scoped(ofExemptions, { sections: ['process', 'lifts'] }),
      ],
    },
    [online.signer],
  );
  trust = new Trust(trustRoot(root), online.signer, {
    ...{ epochSecret: Buffer.alloc(32, 9), keks: testKeks },
  });
  const authored = new AuthoredIndex(trust);
  const hosts = Array.from({ length: HOSTS }, (_, at) => ({
    ...{ name: `h${at}`, nodeId: at.toString(16).padStart(64, '0'), labels: { env: 'prod' } },
  }));
  const state = new FleetState(testKeks);
  state.apply(
    snapshot(
      1n,
      ...hosts.map(({ name, nodeId, labels }) => putNode(nodeRecord(name, labels, nodeId))),
      ...policies.map((policy) => putPolicy(policyRecord(policy))),
    ),
  );
  const labelled = hosts.map((host) =>
    put(
      etcdKeys.signedDocument('labels', host.nodeId),
      signAuthored({ kind: 'labels', document: { v: 1, version: 1, ...host } }, [chief.signer]),
    ),
  );
  authored.take(
    snapshot(1n, ...labelled, put(etcdKeys.signedDocument('group', 'web'), web(1, chief))),
  );
  check = new AuthorCheck(authored, trust);
  const before = new SignedView(state, authored);
  fleet = {
    state,
    before,
    after: new SignedView(state, authored),
    narrow: check.narrow(state, new Map()),
  };
});

const web = (version: number, { signer }: typeof chief) => {
  const { document: content } = groupRecord('web', { env: 'prod' });
  return signAuthored({ kind: 'group', document: { v: 1, name: 'web', version, content } }, [
    signer,
  ]);
};
const offeredBy = (by: typeof chief): Offered => ({
  index: 0,
  authored: verifySigned('group', web(2, by), trust),
});

it('asks of thousands of policies what they have in common once', () => {
  const offered = offeredBy(prodOnly);
  const steps = stepsOf(() => {
    for (const policy of policies) {
      expect(check.ofPolicy(offered, policy, fleet.before)).toEqual([]);
      expect(check.ofPolicy(offered, policy, fleet.after)).toEqual([]);
    }
    expect(check.ofGroup(offered, 'web', fleet)).toEqual([]);
  });
  // Each policy with each host would be more.
  expect(steps).toBeLessThan(2 * POLICIES * HOSTS);
});

it('asks nothing of hosts about what is signed by who may sign everything', () => {
  const offered = offeredBy(chief);
  const [policy] = policies;
  const view = new SignedView(fleet.state, new AuthoredIndex(trust));
  expect(stepsOf(() => check.ofPolicy(offered, policy, view))).toBeLessThan(HOSTS);
});

it('says of an exemption beyond the scope of its author which label it is, and who may sign it', () => {
  const plain = hostPolicy('open', selector);
  const exempting = (labels?: Record<string, string>, tier = 'exception') => ({
    ...plain,
    metadata: {
      ...plain.metadata,
      ...{ labels, annotations: { 'hostward.io/tier': tier, 'hostward.io/until': '2030-01-01' } },
    },
  });
  const lifts = { 'hostward.io/lifts': 'strict' };
  const of = (by: typeof chief, policy = exempting(lifts)) =>
    check.ofExemption(offeredBy(by), policy);
  expect(of(ofProcesses)).toEqual([
    {
      field: 'documents[0].metadata.labels.hostward.io/lifts',
      value: 'strict',
      message: expect.stringMatching(/all that policy strict takes.*"lifts" among them/),
      remedy: expect.stringContaining('leave the label out'),
    },
  ]);
  for (const each of [chief, ofExemptions]) expect(of(each)).toEqual([]);
  // Of these it is no mark.
  expect(of(ofProcesses, exempting())).toEqual([]);
  expect(of(ofProcesses, exempting(lifts, 'normal'))).toEqual([]);
});
