import { readFile } from 'node:fs/promises';
import {
  RefusedError,
  trustRoot,
  verifyAssignment,
  type RootDocument,
  type TrustedRoot,
} from '#bundle';
import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import { writeFileAtomic } from '../config/atomic-file.js';
import { Context } from '../health/context.js';
import type { Trust } from './delivery-verifier.js';

/** Refusals that the clock of this host may be the reason of. */
const OF_THE_CLOCK: ReadonlySet<string> = new Set(['expired', 'not-yet-valid', 'root-expired']);

interface KnownKey {
  readonly epoch: string;
  readonly key: Buffer;
}

/**
 * The key that this host and the control plane share in an epoch. HPKE proves no sender, so a key is believed only
 * because it opens a leaf of a signed commit; else whoever owns Redis could choose the key that alerts are sealed with.
 * Kept on disk, so that reports and alerts go on after a restart with an empty Redis.
 */
export class ChannelKeys {
  /** The newest that was followed: a record carries only so many earlier ones. */
  #root: TrustedRoot;
  #known: KnownKey | undefined;
  #lastTried = '';
  /** What the known key was proved by: while that is the same it need not be opened again at every change. */
  #provedBy: string | undefined;

  private constructor(
    private readonly file: string,
    private readonly trust: Trust,
    private readonly around: Context,
  ) {
    this.#root = trustRoot(trust.root);
  }

  static async open(file: string, trust: Trust, around: Context): Promise<ChannelKeys> {
    const keys = new ChannelKeys(file, trust, around);
    keys.#known = parseKnown(await readFile(file, 'utf8').catch(() => ''));
    return keys;
  }

  /** 32 bytes; absent until the first assignment was proved. */
  get current(): Buffer | undefined {
    return this.#known?.key;
  }

  /** The newest root document that a record led to. */
  get root(): RootDocument {
    return this.#root.document;
  }

  /** The same, as it was signed. */
  get trusted(): TrustedRoot {
    return this.#root;
  }

  /** Takes the key of this record if the record proves itself; whether the host takes the record is not decided here. */
  async learn(
    record: DeliveryRecord,
    fingerprint: string,
    highest: AssignmentVersion | undefined,
  ): Promise<void> {
    if (fingerprint === this.#lastTried) return;
    const proof = JSON.stringify([record.sealedChannelKey, record.root]);
    if (proof === this.#provedBy) return;
    this.#lastTried = fingerprint;
    try {
      const { nodeId, sealingPrivateKey } = this.trust;
      const now = this.around.clock.now();
      const inquiry = { record, trustedRoot: this.#root, nodeId, sealingPrivateKey, highest, now };
      const { assignment, channelKey, root } = await verifyAssignment(inquiry);
      this.#root = root;
      await this.#keep({ epoch: assignment.epoch, key: channelKey });
      this.#provedBy = proof;
    } catch (cause) {
      this.around.log.debug('no channel key in this record', { cause });
      // By another clock, or once the sensor has taken it, the same record may do.
      if (cause instanceof RefusedError && OF_THE_CLOCK.has(cause.code)) this.#lastTried = '';
    }
  }

  async #keep(known: KnownKey): Promise<void> {
    if (this.#known?.epoch === known.epoch && this.#known.key.equals(known.key)) return;
    this.#known = known;
    const content = JSON.stringify({ epoch: known.epoch, key: known.key.toString('base64') });
    try {
      await writeFileAtomic(this.file, content, { mode: 0o600 });
    } catch (cause) {
      this.around.log.warn('the channel key could not be kept', { file: this.file, cause });
    }
  }
}

function parseKnown(text: string): KnownKey | undefined {
  try {
    const { epoch, key } = JSON.parse(text) as { epoch: unknown; key: unknown };
    const bytes = Buffer.from(String(key), 'base64');
    return typeof epoch === 'string' && bytes.length === 32 ? { epoch, key: bytes } : undefined;
  } catch {
    return undefined;
  }
}
