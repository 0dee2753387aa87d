import { hash } from 'node:crypto';
import { sha256 } from './encoding.js';

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
  /** From the leaves up; hashes as the base64 that records carry: a fleet's proofs name most of them again and again. */
  readonly #levels: readonly (readonly string[])[];

  constructor(leaves: readonly Uint8Array[]) {
    const levels = [leafLevel(leaves)];
    for (let level = levels[0]; level && level.length > 1;) {
      level = parents(level);
      levels.push(level);
    }
    this.#levels = levels;
  }

  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  /** Of an empty tree the hash of nothing, as the RFC says. */
  get root(): Buffer {
    const [top] = this.#levels.at(-1) ?? [];
    return top === undefined ? sha256() : Buffer.from(top, 'base64');
  }

  /** Throws a RangeError for an index outside the tree: the caller's mistake. */
  proof(index: number): InclusionProof {
    const { path, ...place } = this.proofText(index);
    return { ...place, path: path.map((hash) => Buffer.from(hash, 'base64')) };
  }

  /** The same proof as a record carries it, hashes as base64. */
  proofText(index: number): InclusionProof<string> {
    const { size } = this;
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new RangeError(`no leaf ${index} in a tree of ${size}`);
    }
    const path: string[] = [];
    let position = index;
    for (const level of this.#levels) {
      const sibling = level[position ^ 1];
      if (sibling !== undefined) path.push(sibling);
      position >>= 1;
    }
    return { index, size, path };
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

/** Hash of an inner node (RFC 9162, 2.1.1). */
function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');
}

/**
 * One piece of memory for what is hashed, and text for what comes out: a Buffer for each would double the time. Leaves
 * of a fleet mostly have one length.
 */
function leafLevel(leaves: readonly Uint8Array[]): string[] {
  let scratch = LEAF;
  return leaves.map((leaf) => {
    const size = LEAF.byteLength + leaf.byteLength;
    if (scratch.byteLength !== size) scratch = Buffer.alloc(size);
    scratch.set(leaf, LEAF.byteLength);
    return hash('sha256', scratch, 'base64');
  });
}

function parents(level: readonly string[]): string[] {
  const scratch = Buffer.alloc(1 + 2 * HASH_BYTES, NODE);
  const above: string[] = [];
  for (let index = 0; index < level.length; index += 2) {
    const [left = '', right] = [level[index], level[index + 1]];
    if (right === undefined) {
      above.push(left);
      continue;
    }
    scratch.write(left, 1, 'base64');
    scratch.write(right, 1 + HASH_BYTES, 'base64');
    above.push(hash('sha256', scratch, 'base64'));
  }
  return above;
}

function isWithinTree({ index, size }: InclusionProof): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;
}
