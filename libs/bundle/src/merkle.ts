import { hash } from 'node:crypto';
import { sha256, toBase64 } from './encoding.js';

const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);
const HASH_BYTES = 32;

/** Where a leaf is in a tree, and the hashes from its sibling up to below the root (RFC 9162, 2.1.3). */
export interface InclusionProof<Hash = Uint8Array> {
  readonly index: number;
  readonly size: number;
  readonly path: readonly Hash[];
}

/** Hash of a leaf (RFC 9162, 2.1.1); its prefix keeps a leaf from passing as an inner node. */
export function leafHash(leaf: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([LEAF, leaf]), 'buffer');
}

/**
 * Merkle tree of RFC 9162 over the leaves in their order. Pairing level by level, with a last odd node carried up,
 * gives the same tree as the RFC's recursive split at the largest power of two; a test holds the two equal.
 */
export class MerkleTree {
  private readonly levels: readonly (readonly Buffer[])[];
  /** The hashes as base64, each made once: the proofs of a fleet name most of them again and again. */
  #texts: readonly (readonly string[])[] | undefined;

  constructor(leaves: readonly Uint8Array[]) {
    const levels: Buffer[][] = [leaves.map(leafHash)];
    for (let level = levels[0] ?? []; level.length > 1;) {
      level = parents(level);
      levels.push(level);
    }
    this.levels = levels;
  }

  get size(): number {
    return this.levels[0]?.length ?? 0;
  }

  /** Of an empty tree the hash of nothing, as the RFC says. */
  get root(): Buffer {
    return this.levels.at(-1)?.[0] ?? sha256();
  }

  /** Throws a RangeError for an index outside the tree: the caller's mistake. */
  proof(index: number): InclusionProof {
    return { index, size: this.size, path: this.path(this.levels, index) };
  }

  /** The same proof as a record carries it, hashes as base64. */
  proofText(index: number): InclusionProof<string> {
    this.#texts ??= this.levels.map((level) => level.map(toBase64));
    return { index, size: this.size, path: this.path(this.#texts, index) };
  }

  private path<T>(levels: readonly (readonly T[])[], index: number): T[] {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new RangeError(`no leaf ${index} in a tree of ${this.size}`);
    }
    const path: T[] = [];
    let position = index;
    for (const level of levels) {
      const sibling = level[position ^ 1];
      if (sibling !== undefined) path.push(sibling);
      position >>= 1;
    }
    return path;
  }
}

/** True if the proof leads from this leaf to this root: the algorithm of RFC 9162, 2.1.3.2, step by step. */
export function verifyInclusion(
  leaf: Uint8Array,
  proof: InclusionProof,
  root: Uint8Array,
): boolean {
  if (!isWithinTree(proof)) return false;
  let position = proof.index;
  let last = proof.size - 1;
  let found = leafHash(leaf);
  for (const sibling of proof.path) {
    if (last === 0 || sibling.byteLength !== HASH_BYTES) return false;
    if (position % 2 === 1 || position === last) {
      found = nodeHash(sibling, found);
      while (position % 2 === 0 && position !== 0)
        [position, last] = [position / 2, Math.floor(last / 2)];
    } else {
      found = nodeHash(found, sibling);
    }
    [position, last] = [Math.floor(position / 2), Math.floor(last / 2)];
  }
  return last === 0 && found.equals(root);
}

function isWithinTree({ index, size }: InclusionProof): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;
}

/** Hash of an inner node (RFC 9162, 2.1.1). */
function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');
}

function parents(level: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = [];
  for (let at = 0; at < level.length; at += 2) {
    const left = level[at];
    const right = level[at + 1];
    if (left) above.push(right ? nodeHash(left, right) : left);
  }
  return above;
}
