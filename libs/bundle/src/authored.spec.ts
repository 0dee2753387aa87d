import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type SignedDocument,
  type SuspensionTarget,
  type VerifiedDelivery,
  RefusedError,
  decodeMinimumVersions,
  encodeMinimumVersions,
  generateSigningKey,
  signRoot,
  loadSigner,
} from './index.js';
import { AuthoredFleet, author, deletion, group, policy, suspension } from './test-authored.js';
import { NOW, rootDocument } from './test-fleet.js';

const chief = author();
const deputy = author();
const filesOnly = author({ documents: ['policy'], sections: ['file'], tiers: ['normal'] });
const devOnly = author({ labels: { env: 'dev' } });
const anyFiles = author({ sections: ['file'], tiers: ['normal'] });
const excepting = author({ sections: ['file'], tiers: ['exception'] });
const exempting = author({ sections: ['file', 'lifts'], tiers: ['exception'] });
const stranger = generateSigningKey();

let fleet: AuthoredFleet;
beforeAll(async () => {
  fleet = await AuthoredFleet.with(
    [chief, deputy, filesOnly, devOnly, anyFiles, excepting, exempting],
    {
      thresholds: { documents: 1, overrides: 2 },
    },
  );
});

const prod = () => fleet.labels(chief, { env: 'prod' });
const names = ({ policies }: VerifiedDelivery) => policies.map(({ name }) => name);

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => new Error('was accepted'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RefusedError)) throw error;
  return error.code;
}

/** What the host remembers after it took the policy `block`, version 2, for its labels. */
async function after(): Promise<Pick<VerifiedDelivery, 'minimumVersions'>> {
  const policies = { block: policy('block', { version: 2, section: 'file' }, chief) };
  return fleet.deliver({ policies, labels: prod() });
}

describe('the online key alone', () => {
  it('cannot suspend a host', async () => {
    const suspension = { mode: 'audit', until: NOW + 5, reason: 'r' } as const;
    expect(await refusal(fleet.deliver({ labels: prod(), unsigned: { suspension } }))).toBe(
      'unsigned-suspension',
    );
  });

  it('cannot have a host watched', async () => {
    const visibility = ['process'] as const;
    expect(await refusal(fleet.deliver({ labels: prod(), unsigned: { visibility } }))).toBe(
      'unsigned-visibility',
    );
  });
});

describe('a host in authored mode', () => {
  it('finds by signed labels and groups what selects it, and names the authors', async () => {
    const delivery = await fleet.deliver({
      policies: {
        a: policy('a', {}, chief),
        b: policy('b', { labels: { 'hostward.io/group': 'web' } }, chief, deputy),
        c: policy('c', { labels: { env: 'dev' } }, chief),
      },
      groups: { web: group('web', { env: 'prod' }, chief) },
      labels: prod(),
    });
    expect(names(delivery)).toEqual(['a', 'b']);
    expect(delivery.policies[1]?.authors).toEqual([chief.keyid, deputy.keyid]);
  });

  it('has no labels and no name before an author gave it some: only what is for all hosts selects it', async () => {
    const all = { 'hostward.io/all-hosts': 'true' };
    const policies = { a: policy('a', {}, chief), b: policy('b', { labels: all }, chief) };
    expect(names(await fleet.deliver({ policies }))).toEqual(['b']);
  });

  it('keeps what it remembers in bytes that it can read again', async () => {
    const { minimumVersions } = await after();
    expect(
      minimumVersions && decodeMinimumVersions(encodeMinimumVersions(minimumVersions)),
    ).toEqual(minimumVersions);
    expect(minimumVersions?.policies.block).toMatchObject({
      version: 2,
      held: { sections: ['file'] },
    });
    expect(() => decodeMinimumVersions(Buffer.from('{"v":1}'))).toThrow(RefusedError);
  });
});

/** A host that enforces the policy `p` by the group `web`, and what is delivered to it next. */
async function inGroup() {
  const policies = { p: policy('p', { labels: { 'hostward.io/group': 'web' } }, chief) };
  const groups = { web: group('web', { env: 'prod' }, chief) };
  const { minimumVersions } = await fleet.deliver({ policies, groups, labels: prod() });
  const deliver = (web: SignedDocument, labels: SignedDocument, seen = minimumVersions) =>
    fleet.deliver({ policies, groups: { web }, labels, minimumVersions: seen });
  return { deliver };
}

describe('documents that no author signed', () => {
  it('are refused, by whomever they are signed', async () => {
    const policies = { block: policy('block', {}, stranger) };
    expect(await refusal(fleet.deliver({ policies, labels: prod() }))).toBe('unknown-key');
    const labels = fleet.labels(stranger, { env: 'dev' });
    expect(await refusal(fleet.deliver({ labels }))).toBe('unknown-key');
    const groups = { web: group('web', { env: 'prod' }, stranger) };
    expect(await refusal(fleet.deliver({ groups }))).toBe('unknown-key');
  });

  it('are not made right by being of another kind', async () => {
    const web = group('web', { env: 'prod' }, chief);
    expect(await refusal(fleet.deliver({ policies: { web } }))).toBe('malformed');
  });
});

describe("an author's scope", () => {
  it('allows what it names and nothing else', async () => {
    const deliver = (sketch: Parameters<typeof policy>[1], by: typeof chief) =>
      fleet.deliver({ policies: { p: policy('p', sketch, by) }, labels: prod() });
    expect(names(await deliver({ section: 'file' }, filesOnly))).toEqual(['p']);
    expect(await refusal(deliver({ section: 'process' }, filesOnly))).toBe('out-of-scope');
    expect(await refusal(deliver({ section: 'file', tier: 'baseline' }, filesOnly))).toBe(
      'out-of-scope',
    );
    expect(await refusal(deliver({}, devOnly))).toBe('out-of-scope');
  });

  it('names exemptions as a section of their own, since they open what any section takes', async () => {
    const deliver = (by: typeof chief, lifts?: string) => {
      const mine = policy('mine', { section: 'file', tier: 'exception', lifts }, by);
      return fleet.deliver({ policies: { mine }, labels: prod() });
    };
    expect(await refusal(deliver(excepting, 'strict'))).toBe('out-of-scope');
    const { minimumVersions } = await deliver(exempting, 'strict');
    expect(minimumVersions?.policies.mine?.held).toEqual({
      tier: 'exception',
      sections: ['file', 'lifts'],
    });
  });

  it('holds for kinds of documents, and for labels that are given and taken', async () => {
    const groups = { web: group('web', { env: 'prod' }, filesOnly) };
    expect(await refusal(fleet.deliver({ groups }))).toBe('out-of-scope');
    expect(await refusal(fleet.deliver({ labels: fleet.labels(devOnly, { env: 'prod' }) }))).toBe(
      'out-of-scope',
    );
    const { minimumVersions } = await fleet.deliver({ labels: prod() });
    const labels = fleet.labels(devOnly, { env: 'dev' }, 2);
    expect(await refusal(fleet.deliver({ labels, minimumVersions }))).toBe('out-of-scope');
  });

  it('does not matter on hosts that the policy does not select', async () => {
    const policies = { p: policy('p', { labels: { env: 'dev' } }, devOnly) };
    expect(names(await fleet.deliver({ policies, labels: prod() }))).toEqual([]);
  });

  it('keeps its owner from ending what it could not have signed', async () => {
    const { minimumVersions } = await fleet.deliver({
      policies: { p: policy('p', { tier: 'baseline', section: 'file' }, chief) },
      labels: prod(),
    });
    const swap = (document: ReturnType<typeof deletion>) =>
      refusal(fleet.deliver({ policies: { p: document }, labels: prod(), minimumVersions }));
    expect(await swap(deletion('policy', 'p', 2, filesOnly))).toBe('out-of-scope');
    expect(await swap(policy('p', { version: 2, section: 'file' }, filesOnly))).toBe(
      'out-of-scope',
    );
    expect(await swap(policy('p', { version: 2, labels: { env: 'dev' } }, devOnly))).toBe(
      'out-of-scope',
    );
  });

  it('keeps its owner from ending and beginning by a group what it could not have signed', async () => {
    const { deliver } = await inGroup();
    const moved = (labels: Readonly<Record<string, string>>, by: typeof chief) =>
      deliver(group('web', labels, by, 2), prod());
    expect(await refusal(moved({ env: 'dev' }, devOnly))).toBe('out-of-scope');
    expect(await refusal(moved({ env: 'dev' }, anyFiles))).toBe('out-of-scope');
    expect(await refusal(deliver(deletion('group', 'web', 2, devOnly), prod()))).toBe(
      'out-of-scope',
    );
    const apart = await moved({ env: 'dev' }, deputy);
    expect(names(apart)).toEqual([]);
    const back = (by: typeof chief) =>
      deliver(group('web', { env: 'prod' }, by, 3), prod(), apart.minimumVersions);
    expect(await refusal(back(devOnly))).toBe('out-of-scope');
    expect(await refusal(back(anyFiles))).toBe('out-of-scope');
    expect(names(await back(deputy))).toEqual(['p']);
  });

  it('keeps its owner from ending by labels what it could not have signed, and from nothing else', async () => {
    const { deliver } = await inGroup();
    const web = group('web', { env: 'prod' }, chief);
    const relabelled = (by: typeof chief, labels: Readonly<Record<string, string>>) =>
      deliver(web, fleet.labels(by, labels, 2));
    expect(await refusal(relabelled(anyFiles, { env: 'dev' }))).toBe('out-of-scope');
    expect(names(await relabelled(deputy, { env: 'dev' }))).toEqual([]);
    expect(names(await relabelled(anyFiles, { env: 'prod', a: 'b' }))).toEqual(['p']);
  });

  it('lets its owner change a group where nothing begins or ends by it, also on a host that was away', async () => {
    const { deliver } = await inGroup();
    const wider = group('web', { env: 'prod' }, devOnly, 2);
    expect(names(await deliver(wider, prod()))).toEqual(['p']);
    // The chief moved this host out meanwhile, which is not the group's doing.
    expect(names(await deliver(wider, fleet.labels(chief, { env: 'dev' }, 2)))).toEqual([]);
    // A host that has just been enrolled has nothing to compare with.
    expect(names(await deliver(wider, prod(), { v: 1, policies: {}, groups: {} }))).toEqual(['p']);
  });

  it('asks two authors for an override of the protected control path', async () => {
    const deliver = (...by: (typeof chief)[]) =>
      fleet.deliver({ policies: { p: policy('p', { override: true }, ...by) }, labels: prod() });
    expect(await refusal(deliver(chief))).toBe('out-of-scope');
    expect(names(await deliver(chief, deputy))).toEqual(['p']);
    expect(await refusal(deliver(chief, filesOnly))).toBe('out-of-scope');
  });
});

describe('what a host has seen', () => {
  it('ends by a signed deletion, by a newer version, by labels or by a group, and then only', async () => {
    const { minimumVersions } = await after();
    const same = policy('block', { version: 2, section: 'file' }, chief);
    const ends = [
      { policies: { block: deletion('policy', 'block', 3, chief) }, labels: prod() },
      {
        policies: { block: policy('block', { version: 3, labels: { a: 'b' } }, chief) },
        labels: prod(),
      },
      { policies: { block: same }, labels: fleet.labels(chief, { env: 'dev' }, 2) },
    ];
    for (const parcel of ends)
      expect(names(await fleet.deliver({ ...parcel, minimumVersions }))).toEqual([]);
    expect(await refusal(fleet.deliver({ labels: prod(), minimumVersions }))).toBe('withheld');
    expect(await refusal(fleet.deliver({ policies: { block: same }, minimumVersions }))).toBe(
      'withheld',
    );
  });

  it('never goes back to an older version, also of labels and groups', async () => {
    const { minimumVersions } = await fleet.deliver({
      policies: { block: policy('block', { version: 2 }, chief) },
      groups: { web: group('web', { a: 'b' }, chief, 2) },
      labels: fleet.labels(chief, { env: 'prod' }, 2),
    });
    const parcel = (policies: number, groups: number, labels: number) =>
      fleet.deliver({
        policies: { block: policy('block', { version: policies }, chief) },
        groups: { web: group('web', { a: 'b' }, chief, groups) },
        labels: fleet.labels(chief, { env: 'prod' }, labels),
        minimumVersions,
      });
    expect(names(await parcel(2, 2, 2))).toEqual(['block']);
    for (const [p, g, l] of [
      [1, 2, 2],
      [2, 1, 2],
      [2, 2, 1],
    ] as const)
      expect(await refusal(parcel(p, g, l))).toBe('document-rollback');
  });

  it('is not exchanged for another document under the same version', async () => {
    const { minimumVersions } = await after();
    const policies = { block: policy('block', { version: 2, path: '/bin/true' }, chief) };
    expect(await refusal(fleet.deliver({ policies, labels: prod(), minimumVersions }))).toBe(
      'equivocation',
    );
  });

  it("is not moved by another host's labels", async () => {
    const labels = fleet.labels(chief, { env: 'dev' }, 2, 'ab'.repeat(32));
    expect(await refusal(fleet.deliver({ labels }))).toBe('not-for-this-node');
  });
});

describe('a suspension that an author signed', () => {
  const off = { mode: 'off', until: NOW + 100 } as const;
  const at = async (
    target: SuspensionTarget,
    order: Parameters<typeof suspension>[1] = off,
    by = chief,
  ) => {
    const suspensions = { s: suspension('s', order, target, by) };
    const delivery = await fleet.deliver({ suspensions, labels: prod() });
    return delivery.assignment.suspension;
  };

  it('holds on the hosts that it names, until its end, and only from who may suspend there', async () => {
    expect(await at({ all: true })).toEqual({ ...off, reason: 'patch night' });
    expect(await at({ nodeId: fleet.host.nodeId })).toBeDefined();
    expect(await at({ nodeId: 'ab'.repeat(32) })).toBeUndefined();
    expect(await at({ labels: { env: 'prod' } })).toBeDefined();
    expect(await at({ labels: { env: 'dev' } })).toBeUndefined();
    expect(await at({ all: true }, { mode: 'off', until: NOW })).toBeUndefined();
    expect(await at({ all: true }, off, devOnly)).toBeUndefined();
  });

  it('is the strongest of several', async () => {
    const suspensions = {
      a: suspension('a', { mode: 'audit', until: NOW + 900 }, { all: true }, chief),
      b: suspension('b', { mode: 'off', until: NOW + 100 }, { all: true }, chief),
    };
    const { assignment } = await fleet.deliver({ suspensions, labels: prod() });
    expect(assignment.suspension).toMatchObject({ mode: 'off' });
  });

  it('is no stranger’s to give, nor one of long ago to give again', async () => {
    const forged = { s: suspension('s', off, { all: true }, stranger) };
    expect(await refusal(fleet.deliver({ suspensions: forged }))).toBe('unknown-key');
    const newer = { s: suspension('s', { ...off, version: 2 }, { all: true }, chief) };
    const { minimumVersions } = await fleet.deliver({ suspensions: newer });
    const older = { s: suspension('s', off, { all: true }, chief) };
    expect(await refusal(fleet.deliver({ suspensions: older, minimumVersions }))).toBe(
      'document-rollback',
    );
    expect(await refusal(fleet.deliver({ minimumVersions }))).toBe('withheld');
  });
});

describe('a root document in authored mode', () => {
  it('needs as many authors as must sign', () => {
    const key = generateSigningKey();
    const signed = (more: object) =>
      signRoot(rootDocument(key, key, { mode: 'authored', ...more }), [loadSigner(key.privateKey)]);
    const authors = [{ keyid: key.keyid, key: key.key }];
    expect(() => signed({})).toThrow(RefusedError);
    expect(() => signed({ authors })).not.toThrow();
    const thresholds = { documents: 1, overrides: 2 };
    expect(() => signed({ authors, thresholds })).toThrow(RefusedError);
    expect(() => signed({ authors: [{ ...authors[0], scope: {} }] })).toThrow(RefusedError);
  });
});
