import { readFile } from 'node:fs/promises';
import {
  isForked,
  keepHead,
  verifyAuditLogHead,
  type RootDocument,
  type SeenHead,
  type SignedDocument,
} from '#bundle';
import { writeFileAtomic } from '../config/atomic-file.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import { Published } from '../health/published.js';

/**
 * The signed heads of the control plane's audit log that this host has seen: few, kept on disk, and told in its signed
 * signed status. So who rewrites the audit log, or cuts it off, would have to reach every host for it.
 */
export class AuditLogHeads {
  readonly #flight = new SingleFlight(() => this.#write());
  #seen: readonly SeenHead[] = [];
  #signed: readonly SignedDocument[] = [];
  readonly #published: Published<SeenHead['head']>;

  private constructor(
    private readonly file: string | undefined,
    private readonly root: () => RootDocument,
    private readonly around: Context,
  ) {
    this.#published = new Published(verifyAuditLogHead, ({ code }) =>
      around.log.debug('a head of the audit log is not taken', { code }),
    );
  }

  /** `root` says whose heads count: those of its online keys. Without a file they are kept in memory alone. */
  static async open(
    file: string | undefined,
    root: () => RootDocument,
    around: Context,
  ): Promise<AuditLogHeads> {
    const heads = new AuditLogHeads(file, root, around);
    if (file !== undefined) heads.#keep(parseSeen(await readFile(file, 'utf8').catch(() => '')));
    return heads;
  }

  /** Oldest first; the same array until there is another head. */
  get signed(): readonly SignedDocument[] {
    return this.#signed;
  }

  /** Takes what somebody published as a head; what no online key signed is dropped. Never rejects. */
  async take(published: unknown): Promise<void> {
    const root = this.root();
    const verified = this.#published.take(published, root);
    if (verified === undefined || verified.isAgain) return;
    const next: SeenHead = { head: verified.value, signed: published as SignedDocument };
    // Who has a key that the root document has taken back could make any head with it.
    const keys = new Set(root.online.map(({ keyid }) => keyid));
    const counting = this.#seen.filter(({ signed }) =>
      signed.signatures.some(({ keyid }) => keys.has(keyid)),
    );
    const seen = keepHead(counting, next);
    if (seen === counting && counting.length === this.#seen.length) return;
    if (isForked(seen) && !isForked(counting))
      this.around.log.error('two audit logs of one control plane', { seq: next.head.seq });
    this.#keep(seen);
    await this.#flight.run();
  }

  #keep(seen: readonly SeenHead[]): void {
    this.#seen = seen;
    this.#signed = seen.map(({ signed }) => signed);
  }

  async #write(): Promise<void> {
    if (this.file === undefined) return;
    try {
      const content = JSON.stringify({ v: 1, heads: this.#seen });
      await writeFileAtomic(this.file, content, { mode: 0o600 });
    } catch (cause) {
      this.around.log.warn('heads of the audit log could not be kept', { file: this.file, cause });
    }
  }
}

/** The agent's own file; one that is damaged is begun anew, as a host that saw no head yet. */
function parseSeen(text: string): readonly SeenHead[] {
  try {
    const { heads } = JSON.parse(text) as { heads: readonly SeenHead[] };
    return heads.every(isSeen) ? heads : [];
  } catch {
    return [];
  }
}

function isSeen({ head, signed }: SeenHead): boolean {
  return (
    Number.isSafeInteger(head.seq) &&
    typeof head.hash === 'string' &&
    typeof signed.payload === 'string' &&
    Array.isArray(signed.signatures)
  );
}
