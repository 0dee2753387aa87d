import { createPublicKey, verify } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import type { PackageView } from '#contracts';

/** The files beside the packages by which a host checks them. */
const SUMS = 'SHA256SUMS';
const SIGNATURE = 'SHA256SUMS.sig';
const RELEASE_KEY = 'release.pub.pem';

const MAX_SUMS_BYTES = 64 * 1024;
const LINE = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._+~-]{0,199})$/;

/** The packages of a folder as they are now, under the signature that was checked. */
export interface Release {
  readonly packages: readonly PackageView[];
  readonly releaseKey: string;
}

/** What is in the folder is not what was signed: hosts would refuse it, so it is offered to none. */
export class ReleaseDamaged extends Error {
  override readonly name = 'ReleaseDamaged';
}

/** The folder of the packages that hosts may fetch, as `hostward package` makes it; read anew at each call. */
@Injectable()
export class PackageFolder {
  constructor(private readonly dir: string | undefined) {}

  /** Undefined where there is no release. Throws ReleaseDamaged where its signature or a file does not hold. */
  async release(): Promise<Release | undefined> {
    const { dir } = this;
    if (dir === undefined || (await statOf(join(dir, SUMS))) === undefined) return undefined;
    const [sums, signature, key] = await Promise.all(
      [SUMS, SIGNATURE, RELEASE_KEY].map((name) => this.#small(join(dir, name))),
    );
    if (sums === undefined || signature === undefined || key === undefined)
      throw new ReleaseDamaged(`${SUMS} is not beside ${SIGNATURE} and ${RELEASE_KEY}`);
    if (!isSigned(sums, signature, key))
      throw new ReleaseDamaged(`${SUMS} is not signed by ${RELEASE_KEY}`);
    const packages = await Promise.all(
      linesOf(sums.toString('utf8')).map((line) => this.#packageOf(dir, line)),
    );
    return { packages, releaseKey: key.toString('utf8') };
  }

  /** A file of the release, or one by which it is checked, opened; undefined where `name` is none of these. */
  async open(name: string): Promise<{ handle: FileHandle; bytes: number } | undefined> {
    const release = await this.release();
    if (release === undefined || this.dir === undefined) return undefined;
    const known = [SUMS, SIGNATURE, RELEASE_KEY, ...release.packages.map(({ file }) => file)];
    if (!known.includes(name)) return undefined;
    const handle = await open(join(this.dir, name), 'r');
    return { handle, bytes: (await handle.stat()).size };
  }

  async #packageOf(dir: string, [sha256, file]: readonly [string, string]): Promise<PackageView> {
    const found = await statOf(join(dir, file));
    // A link could lead out of the folder.
    if (!found?.isFile())
      throw new ReleaseDamaged(`${file}, which ${SUMS} names, is no file there`);
    return { file, sha256, bytes: found.size };
  }

  async #small(path: string): Promise<Buffer | undefined> {
    const found = await statOf(path);
    return found?.isFile() && found.size <= MAX_SUMS_BYTES ? readFile(path) : undefined;
  }
}

function linesOf(text: string): (readonly [string, string])[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, sha256, file] = LINE.exec(line) ?? [];
      if (sha256 === undefined || file === undefined)
        throw new ReleaseDamaged(`${SUMS} has a line that is none: ${line.slice(0, 100)}`);
      return [sha256, file] as const;
    });
}

function isSigned(text: Buffer, signature: Buffer, key: Buffer): boolean {
  try {
    return verify(null, text, createPublicKey(key), signature);
  } catch {
    // What is no key has signed nothing.
    return false;
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
