import { beforeAll, describe, expect, it } from '@jest/globals';
import type { DeliveryRecord } from '#contracts';
import {
  type Commit,
  type RefusalCode,
  RefusedError,
  decodeEnvelope,
  encodeEnvelope,
  generateChannelKey,
  generateSigningKey,
  loadSigner,
  parseDeliveryRecord,
  sealBundle,
  sealChannelKey,
  sha256Hex,
  signPolicy,
  signRoot,
  trustRoot,
  verifyAssignment,
  verifyDelivery,
} from './index.js';
import {
  EXPIRES,
  NOW,
  ASSIGNMENT_VERSION,
  type TestFleet,
  type TestHost,
  assignmentFor,
  commitFor,
  hostAt,
  inquiryOf,
  policies,
  publicPart,
  rootDocument,
  testFleet,
  testHost,
} from './test-fleet.js';

let fleet: TestFleet;
let host: TestHost;
let commit: Commit;
beforeAll(async () => {
  fleet = await testFleet();
  host = hostAt(fleet, 1);
  commit = commitFor(fleet);
});

const record = (): DeliveryRecord => parseDeliveryRecord(commit.records.get(host.nodeId));

async function refusal(work: Promise<unknown>): Promise<RefusalCode> {
  const error: unknown = await work.then(
    () => new Error('was accepted'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RefusedError)) throw error;
  return error.code;
}

describe('a delivery that is ours', () => {
  it('gives the policies as signed, in the order of names, with their revisions', async () => {
    const verified = await verifyDelivery(inquiryOf(fleet, host, commit));
    expect(
      verified.policies.map(({ name, version, revision }) => [name, version, revision]),
    ).toEqual([
      ['alpha', 1, '17'],
      ['beta', 1, '17'],
    ]);
    expect(verified.policies[0]?.document).toMatchObject({
      metadata: { name: 'alpha' },
      spec: { action: 'Block' },
    });
    expect(verified).toMatchObject({ rootVersion: 1, repeated: false });
    expect(verified.assignment).toMatchObject({
      ...ASSIGNMENT_VERSION,
      nodeId: host.nodeId,
      expiresAt: EXPIRES,
    });
    expect(verified.channelKey.equals(host.channelKey)).toBe(true);
  });

  it('survives the way through the agent as opaque bytes', async () => {
    const { record: decoded, bundle } = decodeEnvelope(
      encodeEnvelope(record(), fleet.bundle.ciphertext),
    );
    const verified = await verifyDelivery(
      inquiryOf(fleet, host, commit, { record: decoded, bundle }),
    );
    expect(verified.policies).toHaveLength(2);
  });

  it('is verified by every host of the fleet, and by a fleet of one', async () => {
    for (const each of fleet.hosts) await verifyDelivery(inquiryOf(fleet, each, commit));
    const alone = commitFor(fleet, { assignments: [assignmentFor(fleet, host)] });
    expect((await verifyDelivery(inquiryOf(fleet, host, alone))).policies).toHaveLength(2);
  });

  it('may hold no policy at all', async () => {
    const bundle = sealBundle(new Map(), Buffer.alloc(32, 7));
    const { digest: bundleDigest, dataKey } = bundle;
    const empty = commitFor(fleet, {
      assignments: [{ ...assignmentFor(fleet, host), bundleDigest, dataKey }],
    });
    const inquiry = inquiryOf(fleet, host, empty, { bundle: bundle.ciphertext });
    expect((await verifyDelivery(inquiry)).policies).toEqual([]);
  });

  it('carries a suspension', async () => {
    const suspension = { mode: 'audit', until: NOW + 5, reason: 'patch night' } as const;
    const suspended = commitFor(fleet, {
      assignments: [{ ...assignmentFor(fleet, host), suspension }],
    });
    const verified = await verifyAssignment(inquiryOf(fleet, host, suspended));
    expect(verified.assignment.suspension).toEqual(suspension);
  });
});

describe('bytes that were changed', () => {
  it('are refused in a record, whichever byte it is', async () => {
    const text = JSON.stringify(record());
    const bytes = Buffer.from(text, 'utf8');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 7)), at);
      const envelope = Buffer.concat([
        Buffer.from('{"v":1,"record":'),
        changed,
        Buffer.from(',"bundle":""}'),
      ]);
      const attempt = async (): Promise<unknown> =>
        verifyAssignment(
          inquiryOf(fleet, host, commit, { record: decodeEnvelope(envelope).record }),
        );
      await expect(attempt()).rejects.toBeInstanceOf(RefusedError);
    }
  });

  it('are refused in a bundle, whichever byte it is', async () => {
    const { ciphertext } = fleet.bundle;
    for (let at = 0; at < ciphertext.length; at += 13) {
      const bundle = Buffer.from(ciphertext);
      bundle.writeUInt8(bundle.readUInt8(at) ^ 0x80, at);
      const inquiry = inquiryOf(fleet, host, commit, { bundle });
      expect(await refusal(verifyDelivery(inquiry))).toBe('bundle-digest-mismatch');
    }
  });

  it('are refused when they were cut, at any length', async () => {
    const envelope = encodeEnvelope(record(), fleet.bundle.ciphertext);
    for (let length = 0; length < envelope.length; length += 97) {
      expect(() => decodeEnvelope(envelope.subarray(0, length))).toThrow(RefusedError);
    }
    const bundle = fleet.bundle.ciphertext.subarray(0, -1);
    const cut = verifyDelivery(inquiryOf(fleet, host, commit, { bundle }));
    expect(await refusal(cut)).toBe('bundle-digest-mismatch');
  });
});

describe('a record of somebody else', () => {
  it('is refused by a host that it is not for', async () => {
    const foreign = commit.records.get(hostAt(fleet, 0).nodeId);
    const attempt = verifyAssignment(inquiryOf(fleet, host, commit, { record: foreign }));
    expect(await refusal(attempt)).toBe('not-for-this-node');
  });

  it('is refused when its leaf and proof are put under our own sealed key', async () => {
    const { leaf, proof } = parseDeliveryRecord(commit.records.get(hostAt(fleet, 0).nodeId));
    const mixed = { ...record(), leaf, proof };
    const attempt = verifyAssignment(inquiryOf(fleet, host, commit, { record: mixed }));
    expect(await refusal(attempt)).toBe('not-for-this-node');
  });

  it('is refused with the proof of another leaf', async () => {
    const { proof } = parseDeliveryRecord(commit.records.get(hostAt(fleet, 0).nodeId));
    const attempt = verifyAssignment(
      inquiryOf(fleet, host, commit, { record: { ...record(), proof } }),
    );
    expect(await refusal(attempt)).toBe('bad-proof');
  });

  it('is refused when it was copied to a host with the same sealing key but another id', async () => {
    const clone = { ...host, nodeId: sha256Hex(generateChannelKey()) };
    const inquiry = inquiryOf(fleet, clone, commit, { record: record() });
    expect(await refusal(verifyAssignment(inquiry))).toBe('not-for-this-node');
  });

  it('cannot bring a channel key of an attacker, although anyone can seal one to the host', async () => {
    const { sealingKey, nodeId } = host;
    const sealedChannelKey = await sealChannelKey(generateChannelKey(), {
      sealingKey,
      nodeId,
      epoch: '1',
    });
    const inquiry = inquiryOf(fleet, host, commit, { record: { ...record(), sealedChannelKey } });
    expect(await refusal(verifyAssignment(inquiry))).toBe('not-for-this-node');
  });

  it('is refused when a whole fleet of another control plane signed it', async () => {
    const stranger = await testFleet(1);
    const forged = commitFor({ ...stranger, hosts: [host] });
    const newRoot = verifyAssignment(inquiryOf(fleet, host, forged));
    expect(await refusal(newRoot)).toBe('root-mismatch');
    const oldRoot = {
      ...parseDeliveryRecord(forged.records.get(host.nodeId)),
      root: fleet.root.signed,
    };
    const attempt = verifyAssignment(inquiryOf(fleet, host, forged, { record: oldRoot }));
    expect(await refusal(attempt)).toBe('unknown-key');
  });
});

describe('order', () => {
  const seen = (epoch: string, generation: string, issuedAt: number) => ({
    epoch,
    generation,
    issuedAt,
  });

  it.each([seen('2', '1', 0), seen('1', '41', 0), seen('1', '40', NOW + 1), seen('1', '100', 0)])(
    'refuses a record older than %j',
    async (highest) => {
      expect(await refusal(verifyDelivery(inquiryOf(fleet, host, commit, { highest })))).toBe(
        'stale-order',
      );
    },
  );

  it.each([
    seen('0', '99', NOW * 2),
    seen('1', '39', NOW * 2),
    seen('1', '40', NOW - 1),
    seen('1', '9', NOW),
  ])('takes a record newer than %j', async (highest) => {
    const verified = await verifyDelivery(inquiryOf(fleet, host, commit, { highest }));
    expect(verified.repeated).toBe(false);
  });

  it('lets the very same record through again and says that it is a repetition', async () => {
    const verified = await verifyDelivery(
      inquiryOf(fleet, host, commit, { highest: ASSIGNMENT_VERSION }),
    );
    expect(verified.repeated).toBe(true);
  });

  it('lets one through that this host has taken and kept, though newer ones came and its end has passed', async () => {
    const late = { highest: seen('1', '41', NOW), now: NOW + 400 * 86_400_000 };
    const inquiry = inquiryOf(fleet, host, commit, late);
    expect(await refusal(verifyDelivery(inquiry))).toBe('stale-order');
    expect((await verifyDelivery({ ...inquiry, again: true })).repeated).toBe(true);
  });

  it('refuses another bundle under an assignment version seen before', async () => {
    const highest = { ...ASSIGNMENT_VERSION, bundleDigest: 'ff'.repeat(32) };
    expect(await refusal(verifyDelivery(inquiryOf(fleet, host, commit, { highest })))).toBe(
      'equivocation',
    );
  });

  it('refuses an old record whose unsigned assignment version was raised', async () => {
    const raised = { ...record(), assignmentVersion: { ...ASSIGNMENT_VERSION, generation: '999' } };
    const attempt = verifyDelivery(inquiryOf(fleet, host, commit, { record: raised }));
    expect(await refusal(attempt)).toBe('malformed');
  });

  it('is looked at after the recipient and before the expiry', async () => {
    const highest = seen('9', '9', 9);
    const foreign = inquiryOf(fleet, host, commit, {
      record: commit.records.get(hostAt(fleet, 0).nodeId),
      highest,
      now: EXPIRES,
    });
    expect(await refusal(verifyDelivery(foreign))).toBe('not-for-this-node');
    const old = inquiryOf(fleet, host, commit, { highest, now: EXPIRES });
    expect(await refusal(verifyDelivery(old))).toBe('stale-order');
  });
});

describe('expiry', () => {
  it('refuses an assignment from the moment on at which it expires', async () => {
    await verifyDelivery(inquiryOf(fleet, host, commit, { now: EXPIRES - 1 }));
    const attempt = verifyDelivery(inquiryOf(fleet, host, commit, { now: EXPIRES }));
    expect(await refusal(attempt)).toBe('expired');
  });

  it('takes an assignment on a host that booted in 1970', async () => {
    await verifyDelivery(inquiryOf(fleet, host, commit, { now: 0 }));
  });

  it('counts from the signed time where the clock of the host is behind it', async () => {
    const over = commitFor(fleet, {
      assignments: [{ ...assignmentFor(fleet, host), expiresAt: NOW }],
    });
    const attempt = verifyDelivery(inquiryOf(fleet, host, over, { now: 0 }));
    expect(await refusal(attempt)).toBe('expired');
  });

  it('refuses everything under a root document that has expired', async () => {
    const attempt = verifyDelivery(inquiryOf(fleet, host, commit, { now: EXPIRES * 10 }));
    expect(await refusal(attempt)).toBe('root-expired');
  });
});

describe('a bundle', () => {
  it('is refused when it is another one, well made under the same secret', async () => {
    const other = sealBundle(policies(fleet.onlineKey, 'alpha'), Buffer.alloc(32, 7));
    const attempt = verifyDelivery(inquiryOf(fleet, host, commit, { bundle: other.ciphertext }));
    expect(await refusal(attempt)).toBe('bundle-digest-mismatch');
  });

  it('is refused when the record names another one than the assignment', async () => {
    const named = { ...record(), bundleDigest: 'ab'.repeat(32) };
    const attempt = verifyDelivery(inquiryOf(fleet, host, commit, { record: named }));
    expect(await refusal(attempt)).toBe('bundle-digest-mismatch');
  });

  it('is refused when one of its policies is signed by a key that the root does not name', async () => {
    const bundle = sealBundle(policies(generateSigningKey(), 'alpha'), Buffer.alloc(32, 7));
    expect(await refusal(deliver(bundle))).toBe('unknown-key');
  });

  it('is refused when it holds a deletion, or a policy under another name', async () => {
    const signer = loadSigner(fleet.onlineKey.privateKey);
    const deletion = signPolicy({ v: 1, name: 'alpha', version: 2, deleted: true }, signer);
    const deleted = sealBundle(
      new Map([['alpha', { envelope: deletion, revision: '18' }]]),
      Buffer.alloc(32, 7),
    );
    expect(await refusal(deliver(deleted))).toBe('malformed');
    const alpha = policies(fleet.onlineKey, 'alpha').get('alpha');
    const twice = new Map(
      alpha
        ? [
            ['alpha', alpha],
            ['beta', alpha],
          ]
        : [],
    );
    expect(await refusal(deliver(sealBundle(twice, Buffer.alloc(32, 7))))).toBe('malformed');
  });

  it('is refused when it is larger than the bound, before it is hashed', async () => {
    const bundle = Buffer.alloc(16 * 1024 * 1024 + 1);
    expect(await refusal(verifyDelivery(inquiryOf(fleet, host, commit, { bundle })))).toBe(
      'too-large',
    );
  });

  async function deliver({ digest: bundleDigest, dataKey, ciphertext }: TestFleet['bundle']) {
    const own = commitFor(fleet, {
      assignments: [{ ...assignmentFor(fleet, host), bundleDigest, dataKey }],
    });
    return verifyDelivery(inquiryOf(fleet, host, own, { bundle: ciphertext }));
  }
});

describe('root documents in a delivery', () => {
  const next = (more: object = {}) => ({ version: 2, epoch: '2', ...more });

  it('refuse a commit that was made under the version before, though its key still counts', async () => {
    const { rootKey, onlineKey, root } = fleet;
    const document = rootDocument(rootKey, onlineKey, { version: 2 });
    const newer = signRoot(document, [loadSigner(rootKey.privateKey)]);
    const mixed = { ...record(), root: [root.signed, newer] };
    const attempt = verifyAssignment(inquiryOf(fleet, host, commit, { record: mixed }));
    expect(await refusal(attempt)).toBe('root-mismatch');
  });

  it('move the host on when the next version is signed by the old and the new keys', async () => {
    const { fleet: moved, commit: newer } = await movedFleet();
    const verified = await verifyDelivery(
      inquiryOf(moved, hostAt(moved, 0), newer, { trustedRoot: fleet.root }),
    );
    expect(verified.rootVersion).toBe(2);
    expect(verified.root.document.epoch).toBe('2');
  });

  it('cannot take the host back', async () => {
    const { fleet: moved } = await movedFleet();
    const attempt = verifyDelivery(inquiryOf(fleet, host, commit, { trustedRoot: moved.root }));
    expect(await refusal(attempt)).toBe('root-rollback');
  });

  it('are followed over several versions that the host has missed', async () => {
    const { fleet: moved, commit: newer } = await movedFleet([fleet.root.signed]);
    const inquiry = inquiryOf(moved, hostAt(moved, 0), newer, { trustedRoot: fleet.root });
    expect((await verifyDelivery(inquiry)).rootVersion).toBe(2);
  });

  it('do not let a commit of an earlier epoch through', async () => {
    const { fleet: moved } = await movedFleet();
    const mixed = { ...record(), root: moved.root.signed };
    const attempt = verifyAssignment(inquiryOf(fleet, host, commit, { record: mixed }));
    expect(['not-for-this-node', 'root-mismatch', 'unknown-key']).toContain(await refusal(attempt));
  });

  async function movedFleet(earlierRoots: TestFleet['root']['signed'][] = []) {
    const [rootKey, onlineKey] = [generateSigningKey(), generateSigningKey()];
    const signers = [loadSigner(fleet.rootKey.privateKey), loadSigner(rootKey.privateKey)];
    const root = trustRoot(signRoot(rootDocument(rootKey, onlineKey, next()), signers));
    const bundle = sealBundle(policies(onlineKey, 'alpha'), Buffer.alloc(32, 8));
    const base = await testHost();
    const sealedChannelKey = await sealChannelKey(base.channelKey, { ...base, epoch: '2' });
    const moved = { rootKey, onlineKey, root, bundle, hosts: [{ ...base, sealedChannelKey }] };
    return {
      fleet: moved,
      commit: commitFor(moved, {
        assignmentVersion: { ...ASSIGNMENT_VERSION, epoch: '2' },
        earlierRoots,
      }),
    };
  }
});

describe('building a commit', () => {
  it('refuses what no host would take', () => {
    const own = assignmentFor(fleet, host);
    expect(() => commitFor(fleet, { assignments: [] })).toThrow(RangeError);
    expect(() => commitFor(fleet, { assignments: [own, own] })).toThrow(RangeError);
    expect(() =>
      commitFor(fleet, { assignmentVersion: { ...ASSIGNMENT_VERSION, epoch: '2' } }),
    ).toThrow(RangeError);
    expect(() => commitFor(fleet, { signer: loadSigner(fleet.rootKey.privateKey) })).toThrow(
      RangeError,
    );
    expect(() => commitFor(fleet, { assignments: [{ ...own, dataKey: 'short' }] })).toThrow(
      RefusedError,
    );
  });

  it('shows nobody what is assigned: no record holds the bundle key, a policy name or another node id', () => {
    const everything =
      JSON.stringify([...commit.records.values()]) + fleet.bundle.ciphertext.toString('latin1');
    expect(everything).not.toContain(fleet.bundle.dataKey);
    expect(everything).not.toContain('alpha');
    for (const { nodeId } of fleet.hosts) expect(everything).not.toContain(nodeId);
    expect(everything).toContain(publicPart(fleet.onlineKey).keyid);
  });
});
