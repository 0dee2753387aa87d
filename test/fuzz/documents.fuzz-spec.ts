import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  type BundlePolicy,
  RefusedError,
  type RootDocument,
  type SignedDocument,
  type VerifiedDelivery,
  buildCommit,
  canonicalBytes,
  decodeEnvelope,
  decodeMinimumVersions,
  encodeEnvelope,
  generateChannelKey,
  generateSealingKey,
  generateSigningKey,
  loadSigner,
  openEvents,
  openReport,
  parseDeliveryRecord,
  payloadTypes,
  preAuthEncoding,
  rememberingOpener,
  sealBundle,
  sealChannelKey,
  signRoot,
  trustRoot,
  verifyAuthored,
  verifyDelivery,
  verifyAuditLogHead,
  verifyLabels,
  verifySignedStatus,
} from '#bundle';
import { parseDocuments, rulesOf, validateDocument } from '#policy-model';
import { parseAlertBatch } from '../../apps/control-plane/src/alerts/parse-alert-batch.js';
import { parseReport } from '../../apps/control-plane/src/reports/parse-report.js';
import { ShapeError as HostShapeError } from '../../apps/control-plane/src/http/shape.js';
import { corpusFolder, deadlineFor, fuzzCorpus } from './support/run.js';

const NODE_ID = 'a'.repeat(64);
const FAR = 4_000_000_000_000;
const HEAD_TYPE = 'application/vnd.hostward.audit-log-head+json';

/** Runs what may refuse its input, and nothing else: any other error is a finding. */
async function mayRefuse<T>(
  read: () => T | Promise<T>,
  ...refusals: readonly (new (...args: never[]) => Error)[]
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (refusals.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

const WORDS = [
  ...['apiVersion: security.kubearmor.com/v1\n', 'kind: KubeArmorHostPolicy\n', 'spec:\n', '---\n'],
  ...[
    '  - path: /x\n',
    'matchPaths:',
    'matchPatterns:',
    'matchDirectories:',
    'fromSource:',
    'action:',
  ],
  ...['&a ', '*a', '<<: ', '!!js/function ', '!!binary ', '%YAML 1.1\n', '? ', ': ', '|\n', '>-\n'],
  ...['"\\u0000"', "'", '{', '}', '[', ']', '0x7f', '1e999', '.inf', '~', '\t', '\ufeff', '\u2028'],
];

describe('what an operator sends', () => {
  it(
    'is read as policies or explained, whatever it is: no exception, no document that would not be taken again',
    () => {
      const target = (input: Buffer): void => {
        for (const format of ['yaml', 'json'] as const)
          for (const mode of ['crd', 'lenient'] as const) checkPolicies(input, format, mode);
      };
      return fuzzCorpus('policy', 0.3, { dictionary: WORDS, target });
    },
    deadlineFor(0.3),
  );

  function checkPolicies(input: Buffer, format: 'yaml' | 'json', mode: 'crd' | 'lenient'): void {
    const { documents, diagnostics } = parseDocuments(input.toString('utf8'), { format, mode });
    for (const { severity, message, remedy } of diagnostics)
      if (severity === 'error' && (message === '' || remedy === '')) throw new Error('unexplained');
    for (const { document } of documents) {
      if (document === undefined) continue;
      if (document.kind === 'KubeArmorHostPolicy') rulesOf(document);
      const stored: unknown = JSON.parse(JSON.stringify(document));
      const again = validateDocument(stored, { mode });
      expect(again.document).toEqual(document);
    }
  }
});

describe('what comes to a host', () => {
  it(
    'is a delivery that says what was signed, or is refused with a code',
    async () => {
      const vectors = await Promise.all(['delivery', 'authored-delivery'].map(deliveryVector));
      const target = async (input: Buffer): Promise<void> => {
        for (const { inquiry, meaning } of vectors) {
          const found = await mayRefuse(async () => {
            const { record, bundle } = decodeEnvelope(input);
            parseDeliveryRecord(record);
            return verifyDelivery({ ...inquiry, record, bundle });
          }, RefusedError);
          if (found !== undefined && summary(found) !== meaning)
            throw new Error('another delivery than the signed one was taken');
        }
      };
      await fuzzCorpus('envelope', 0.2, { language: 'json', target });
    },
    deadlineFor(0.2),
  );

  it(
    'is refused with a code where a stolen key signed nonsense: root, policy, group, labels, signed status, head',
    async () => {
      const target = await signedNonsense();
      await fuzzCorpus('payload', 0.2, { language: 'json', target });
    },
    deadlineFor(0.2),
  );
});

describe('what a host sends', () => {
  it(
    'is a report or a batch of alerts, or is refused: no exception, and never another host’s',
    () => {
      const target = async (input: Buffer): Promise<void> => {
        const report = await mayRefuse(() => parseReport(input, NODE_ID), HostShapeError);
        if (report !== undefined && report.nodeId !== NODE_ID) throw new Error('of another host');
        await mayRefuse(
          () => parseAlertBatch(input, { nodeId: NODE_ID, node: 'web1' }),
          HostShapeError,
        );
      };
      return fuzzCorpus('report', 0.1, { language: 'json', target });
    },
    deadlineFor(0.1),
  );

  it(
    'opens under its key only as it was sealed',
    () => {
      const channelKey = Buffer.alloc(32, 7);
      // Sealed once under this key: the only bytes that may open.
      const sealed = readFileSync(join(corpusFolder('sealed'), 'report'));
      expect(String(openReport(channelKey, NODE_ID, sealed))).toBe('{"v":1}');
      const target = async (input: Buffer): Promise<void> => {
        const mixed = Buffer.concat([sealed.subarray(0, input[0] ?? 0), input.subarray(1)]);
        for (const bytes of [input, mixed]) {
          const open = await mayRefuse(() => openReport(channelKey, NODE_ID, bytes), RefusedError);
          if (open !== undefined && !bytes.equals(sealed)) throw new Error('forged');
          if (await mayRefuse(() => openEvents(channelKey, NODE_ID, bytes), RefusedError))
            throw new Error('one kind was taken for another');
        }
      };
      return fuzzCorpus('sealed', 0.05, { target });
    },
    deadlineFor(0.05),
  );
});

/** A kept delivery, as a question to the verifier, and what it means. */
async function deliveryVector(name: string) {
  const file = new URL(`../../libs/bundle/vectors/${name}.json`, import.meta.url);
  const vector = JSON.parse(readFileSync(file, 'utf8')) as DeliveryVector;
  const { nodeId, sealingPrivateKey, now, record } = vector;
  const trustedRoot = trustRoot(vector.trustedRoot);
  const bundle = Buffer.from(vector.bundle, 'base64');
  const inquiry = { record, bundle, trustedRoot, nodeId, sealingPrivateKey, now };
  return { inquiry, meaning: summary(await verifyDelivery(inquiry)) };
}

interface DeliveryVector extends Record<'nodeId' | 'sealingPrivateKey' | 'bundle', string> {
  readonly trustedRoot: unknown;
  readonly record: unknown;
  readonly now: number;
}

function summary({ assignment, channelKey, policies, rootVersion }: VerifiedDelivery): string {
  return JSON.stringify({
    assignment,
    channelKey: channelKey.toString('hex'),
    policies,
    rootVersion,
  });
}

interface Parcel {
  readonly policy?: SignedDocument;
  readonly groups?: ReadonlyMap<string, BundlePolicy>;
  readonly labels?: SignedDocument;
}

/** Reads a payload as each kind of document, signed by the key whose kind it is: only what stands in it can be wrong. */
async function signedNonsense(): Promise<(payload: Buffer) => Promise<void>> {
  const key = generateSigningKey();
  const signer = loadSigner(key.privateKey);
  const publicKey = { keyid: key.keyid, key: key.key };
  const root: RootDocument = {
    ...{ v: 1, version: 1, epoch: '1', expiresAt: FAR, mode: 'authored' },
    root: { threshold: 1, keys: [publicKey] },
    ...{ authors: [publicKey], online: [publicKey] },
  };
  const sign = (payloadType: string, payload: Buffer): SignedDocument => ({
    payloadType,
    payload: payload.toString('base64'),
    signatures: [
      {
        keyid: key.keyid,
        sig: Buffer.from(signer.sign(preAuthEncoding(payloadType, payload))).toString('base64'),
      },
    ],
  });
  const managed = trustRoot(signRoot({ ...root, mode: 'managed' }, [signer]));
  const authored = trustRoot(signRoot(root, [signer]));
  const opener = rememberingOpener();
  const { sealingKey, privateKey: sealingPrivateKey } = generateSealingKey();
  const channelKey = generateChannelKey();
  const sealedChannelKey = await sealChannelKey(channelKey, {
    sealingKey,
    nodeId: NODE_ID,
    epoch: '1',
  });
  return async (input) => {
    // What is not in canonical form is refused at once: most of the time the content is what is wrong.
    for (const payload of [input, canonicalOr(input)]) {
      await mayRefuse(() => trustRoot(sign(payloadTypes.root, payload)), RefusedError);
      for (const kind of ['policy', 'group'] as const)
        await mayRefuse(
          () => verifyAuthored(sign(payloadTypes[kind], payload), kind, root, kind),
          RefusedError,
        );
      await mayRefuse(() => verifyLabels(sign(payloadTypes.labels, payload), root), RefusedError);
      const signedStatus = sign(payloadTypes.signedStatus, payload);
      await mayRefuse(() => verifySignedStatus(signedStatus, key.key, key.keyid), RefusedError);
      await mayRefuse(
        () => verifyAuditLogHead(sign(HEAD_TYPE, payload), [publicKey]),
        RefusedError,
      );
    }
    await mayRefuse(() => decodeMinimumVersions(canonicalOr(input)), RefusedError);
    for (const parcel of parcelsOf(canonicalOr(input)))
      await mayRefuse(() => deliver(parcel), RefusedError);
  };

  /** The payload as each document that a host may be given, all else being right. */
  function parcelsOf(payload: Buffer): readonly Parcel[] {
    const policy = sign(payloadTypes.policy, payload);
    const group = sign(payloadTypes.group, payload);
    const labels = sign(payloadTypes.labels, payload);
    return [
      { policy },
      { policy, groups: new Map() },
      { groups: new Map([['a', { envelope: group, revision: '1' }]]) },
      { groups: new Map(), labels },
    ];
  }

  /** With groups a delivery is of authored mode, without them of managed mode. */
  async function deliver({ policy, groups, labels }: Parcel): Promise<void> {
    const inForce = groups === undefined ? managed : authored;
    const policies = new Map(policy && [['a', { envelope: policy, revision: '1' }]]);
    const bundle = sealBundle(policies, Buffer.alloc(32, 1), { groups: groups });
    const { digest: bundleDigest, dataKey } = bundle;
    const to = { nodeId: NODE_ID, channelKey, sealedChannelKey, reportEpoch: 0, expiresAt: 2_000 };
    const { records } = buildCommit({
      assignmentVersion: { epoch: '1', generation: '1', issuedAt: 1_000 },
      ...{ root: inForce, signer },
      assignments: [{ ...to, bundleDigest, dataKey, ...(labels && { labels }) }],
    });
    const record = records.get(NODE_ID);
    if (record === undefined) throw new Error('no record');
    const sent = decodeEnvelope(encodeEnvelope(record, bundle.ciphertext));
    const known = { trustedRoot: inForce, nodeId: NODE_ID, sealingPrivateKey, now: 1_000 };
    await verifyDelivery({ ...sent, ...known, openChannelKey: opener });
  }
}

function canonicalOr(input: Buffer): Buffer {
  try {
    return canonicalBytes(JSON.parse(input.toString('utf8')));
  } catch {
    return input;
  }
}
