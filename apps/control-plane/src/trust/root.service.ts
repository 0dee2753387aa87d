import { Injectable } from '@nestjs/common';
import { type SignedDocument, followRoots, inspectRoot } from '#bundle';
import { etcdKeys, EtcdStore } from '#etcd';
import { actor } from '../auth/caller.js';
import { Trust } from '../config/trust.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { ProblemError, conflict } from '../http/index.js';
import { refusalOf } from './authored-index.js';

/** What REST shows of the root documents. */
export interface TrustView {
  readonly mode: 'managed' | 'authored';
  readonly version: number;
  readonly epoch: string;
  readonly expiresAt: string;
  /** Signed, oldest first. */
  readonly roots: readonly SignedDocument[];
}

/** The root documents: shown, and moved on by those who hold the root keys. */
@Injectable()
export class RootService {
  constructor(
    private readonly trust: Trust,
    private readonly editor: FleetEditor,
    private readonly etcd: EtcdStore,
  ) {}

  view(): TrustView {
    const { mode, version, epoch, expiresAt } = this.trust.root.document;
    const { roots } = this.trust;
    return { mode, version, epoch, expiresAt: new Date(expiresAt).toISOString(), roots };
  }

  /** Puts the next root document in force. Throws 422 for one that hosts would not follow, 409 for one that is old. */
  async publish(signed: unknown): Promise<TrustView> {
    await this.editor.edit(async () => {
      const { version, epoch, mode } = this.#check(signed);
      const key = etcdKeys.rootDocument(version);
      return {
        if: [{ key, modRevision: await this.#replaceable(key, version) }],
        then: [{ type: 'put', key, value: JSON.stringify(signed) }],
        auditLog: {
          by: actor(),
          action: 'root.published',
          target: `root ${version}`,
          detail: { version, epoch, mode },
        },
      };
    });
    return this.view();
  }

  /**
   * Revision of what etcd has under a version that we do not follow yet. Nobody follows a forged one, which must not keep
   * the true one out; of a true one, which another control plane has published, we have not heard yet: throws 409.
   */
  async #replaceable(key: string, version: number): Promise<bigint> {
    const there = await this.etcd.get(key);
    if (there && this.#isFollowed(there.value)) throw taken(version, version);
    return there?.modRevision ?? 0n;
  }

  #isFollowed(value: Buffer): boolean {
    try {
      followRoots(this.trust.root, [JSON.parse(value.toString('utf8'))]);
      return true;
    } catch {
      return false;
    }
  }

  #check(signed: unknown) {
    const { version } = this.trust.root.document;
    try {
      const { document } = inspectRoot(signed);
      if (document.version <= version) throw taken(document.version, version);
      followRoots(this.trust.root, [signed]);
      if (!document.online.some(({ keyid }) => keyid === this.trust.online.keyid)) {
        throw new ProblemError('invalid-documents', {
          detail:
            `it takes the online key ${this.trust.online.keyid} away, with which this control plane signs; start the ` +
            'control plane with the new key and this document in place of its own (docs/how-to/recover-from-a-stolen-key.md), not over REST',
        });
      }
      return document;
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      throw new ProblemError('invalid-documents', {
        detail: `the root document is not followed: ${refusalOf(error)}`,
      });
    }
  }
}

function taken(version: number, inForce: number): ProblemError {
  const remedy = 'make the next one from that: `hostward root show --save FILE`';
  return conflict('version', version, `is not above ${inForce}, which is in force`, remedy);
}
