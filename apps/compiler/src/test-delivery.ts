import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildCommit,
  encodeEnvelope,
  generateChannelKey,
  generateSealingKey,
  generateSigningKey,
  loadSigner,
  sealBundle,
  sealChannelKey,
  signPolicy,
  signRoot,
  type SuspensionOrder,
  trustRoot,
} from '#bundle';
import type { AssignmentVersion } from '#contracts';

export interface Delivery {
  readonly assignmentVersion: AssignmentVersion;
  /** Host policies by name. */
  readonly policies: Readonly<Record<string, unknown>>;
  readonly suspension?: SuspensionOrder;
}

/** For tests: a control plane and one enrolled host, whose trust files are written to a directory. */
export class TestControlPlane {
  private readonly online = generateSigningKey();
  private readonly rootKey = generateSigningKey();
  private readonly sealing = generateSealingKey();
  private readonly channelKey = generateChannelKey();
  private readonly secret = generateChannelKey();
  readonly nodeId = generateSigningKey().keyid;
  private readonly root = trustRoot(
    signRoot(
      {
        v: 1,
        version: 1,
        epoch: '1',
        expiresAt: Date.now() + 3_600_000,
        mode: 'managed',
        root: { threshold: 1, keys: [publicPart(this.rootKey)] },
        authors: [],
        online: [publicPart(this.online)],
      },
      [loadSigner(this.rootKey.privateKey)],
    ),
  );

  /** root.json, node-id and sealing.key, as enrolment leaves them. */
  writeTrust(dir: string): void {
    writeFileSync(join(dir, 'root.json'), JSON.stringify(this.root.signed));
    writeFileSync(join(dir, 'node-id'), `${this.nodeId}\n`);
    writeFileSync(join(dir, 'sealing.key'), `${this.sealing.privateKey}\n`);
  }

  /** An envelope for the host. */
  async deliver({ assignmentVersion, policies, suspension }: Delivery): Promise<Buffer> {
    const signer = loadSigner(this.online.privateKey);
    const signed = Object.entries(policies).map(
      ([name, content]) =>
        [
          name,
          { envelope: signPolicy({ v: 1, name, version: 1, content }, signer), revision: '17' },
        ] as const,
    );
    const bundle = sealBundle(new Map(signed), this.secret);
    const { nodeId, channelKey } = this;
    const to = { sealingKey: this.sealing.sealingKey, nodeId, epoch: assignmentVersion.epoch };
    const assignment = {
      nodeId,
      channelKey,
      sealedChannelKey: await sealChannelKey(channelKey, to),
      expiresAt: Date.now() + 600_000,
      reportEpoch: 0,
      bundleDigest: bundle.digest,
      dataKey: bundle.dataKey,
      ...(suspension === undefined ? {} : { suspension }),
    };
    const { records } = buildCommit({
      assignmentVersion,
      root: this.root,
      signer,
      assignments: [assignment],
    });
    const record = records.get(nodeId);
    if (record === undefined) throw new Error('the commit has no record for the host');
    return encodeEnvelope(record, bundle.ciphertext);
  }
}

function publicPart({ keyid, key }: { readonly keyid: string; readonly key: string }) {
  return { keyid, key };
}
