import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sha256 } from './encoding.js';
import { MerkleTree, leafHash, verifyInclusion } from './merkle.js';

/** RFC 9162, 2.1.1, word for word: split at the largest power of two below the size. */
function rfcRoot(leaves: readonly Uint8Array[]): Buffer {
  const [first] = leaves;
  if (!first) return sha256();
  if (leaves.length === 1) return leafHash(first);
  const split = largestPowerBelow(leaves.length);
  return sha256(Buffer.of(1), rfcRoot(leaves.slice(0, split)), rfcRoot(leaves.slice(split)));
}

/** RFC 9162, 2.1.3.1, word for word. */
function rfcPath(index: number, leaves: readonly Uint8Array[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const split = largestPowerBelow(leaves.length);
  return index < split
    ? [...rfcPath(index, leaves.slice(0, split)), rfcRoot(leaves.slice(split))]
    : [...rfcPath(index - split, leaves.slice(split)), rfcRoot(leaves.slice(0, split))];
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

const leaf = fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes));
/** Without twins: equal leaves prove each other's place, rightly. */
const leaves = fc.uniqueArray(leaf, {
  minLength: 1,
  maxLength: 40,
  selector: (bytes) => bytes.toString('hex'),
});
const treeAndIndex = leaves.chain((all) =>
  fc.tuple(fc.constant(all), fc.nat({ max: all.length - 1 })),
);

describe('a Merkle tree', () => {
  it('has the root and the paths that the RFC’s recursion gives, at every size up to 70', () => {
    for (let size = 0; size <= 70; size += 1) {
      const all = Array.from({ length: size }, (_, index) => Buffer.from(`leaf ${index}`));
      const tree = new MerkleTree(all);
      expect(tree.root).toEqual(rfcRoot(all));
      all.forEach((own, index) => {
        expect(tree.proof(index).path).toEqual(rfcPath(index, all));
        expect(verifyInclusion(own, tree.proof(index), tree.root)).toBe(true);
      });
    }
  });

  it('proves each of its leaves', () => {
    fc.assert(
      fc.property(treeAndIndex, ([all, index]) => {
        const tree = new MerkleTree(all);
        return verifyInclusion(all[index] ?? Buffer.alloc(0), tree.proof(index), tree.root);
      }),
    );
  });

  it('proves no other leaf, at no other place, in no tree of another size', () => {
    fc.assert(
      fc.property(treeAndIndex, leaf, fc.nat({ max: 60 }), ([all, index], other, number) => {
        const tree = new MerkleTree(all);
        const own = all[index] ?? Buffer.alloc(0);
        const proof = tree.proof(index);
        fc.pre(!other.equals(own) && number !== index);
        expect(verifyInclusion(other, proof, tree.root)).toBe(false);
        expect(verifyInclusion(own, { ...proof, index: number }, tree.root)).toBe(false);
      }),
    );
  });

  it('proves nothing with a path that is longer, shorter or changed', () => {
    fc.assert(
      fc.property(treeAndIndex, fc.nat(), ([all, index], at) => {
        const tree = new MerkleTree(all);
        const own = all[index] ?? Buffer.alloc(0);
        const proof = tree.proof(index);
        const longer = { ...proof, path: [...proof.path, Buffer.alloc(32)] };
        expect(verifyInclusion(own, longer, tree.root)).toBe(false);
        fc.pre(proof.path.length > 0);
        const shorter = { ...proof, path: proof.path.slice(1) };
        expect(verifyInclusion(own, shorter, tree.root)).toBe(false);
        const place = at % proof.path.length;
        const path = proof.path.map((hash, level) => (level === place ? sha256(hash) : hash));
        expect(verifyInclusion(own, { ...proof, path }, tree.root)).toBe(false);
      }),
    );
  });

  it('does not take an inner node for a leaf', () => {
    const all = ['a', 'b', 'c', 'd'].map((text) => Buffer.from(text));
    const tree = new MerkleTree(all);
    const [a, b] = all;
    const inner = Buffer.concat([leafHash(a ?? Buffer.alloc(0)), leafHash(b ?? Buffer.alloc(0))]);
    const path = tree.proof(0).path.slice(1);
    expect(verifyInclusion(inner, { index: 0, size: 2, path }, tree.root)).toBe(false);
  });

  it('refuses places outside the tree', () => {
    const tree = new MerkleTree([Buffer.from('a')]);
    for (const index of [-1, 1, 0.5, Number.NaN])
      expect(() => tree.proof(index)).toThrow(RangeError);
    const proof = { index: 0, size: 0, path: [] };
    expect(verifyInclusion(Buffer.from('a'), proof, tree.root)).toBe(false);
  });
});
