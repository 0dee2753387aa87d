import { readIfThere, replacePrivate } from '../config/private-file.js';
import type { Log } from '#observability';
import { PublishedFile, type Published } from './restore-guard.js';

/** The highest published assignment version in a file of the data directory. */
export class DiskPublishedFile extends PublishedFile {
  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {
    super();
  }

  /** A file that cannot be understood is none: hosts still say what they have. */
  override read(): Published | undefined {
    try {
      const { epoch, generation, restoredAt } = JSON.parse(
        readIfThere(this.path) ?? '{}',
      ) as Partial<Published>;
      if (epoch === undefined || generation === undefined) return undefined;
      return {
        epoch: String(BigInt(epoch)),
        generation: String(BigInt(generation)),
        ...(restoredAt !== undefined && { restoredAt: String(BigInt(restoredAt)) }),
      };
    } catch {
      return undefined;
    }
  }

  /** A full disk must not end the control plane. */
  override async write(published: Published): Promise<boolean> {
    try {
      await replacePrivate(this.path, `${JSON.stringify(published)}\n`);
      return true;
    } catch (error) {
      this.log.warn('what was published cannot be kept, trying again', { path: this.path, error });
      return false;
    }
  }
}
