import type { SeededRandom } from '#contracts';

type Change = (input: Buffer, random: SeededRandom, others: readonly Buffer[]) => Buffer;

const EDGES = [0, 1, 0x7f, 0x80, 0xff];
const MAX_BYTES = 256 * 1024;

/** Words of a language, which random bytes would hardly ever spell. */
export type Dictionary = readonly string[];

/** Changes bytes in one to four places: flips, edges, cuts, copies, words, and parts of other inputs. */
export function mutateBytes(
  input: Buffer,
  random: SeededRandom,
  others: readonly Buffer[],
  dictionary: Dictionary = [],
): Buffer {
  const changes = dictionary.length === 0 ? CHANGES : [...CHANGES, insertWord(dictionary)];
  let changed = input;
  for (let left = 1 + random.below(4); left > 0; left--)
    changed = random.pick(changes)(changed, random, others).subarray(0, MAX_BYTES);
  return changed;
}

const flipBit: Change = (input, random) =>
  withByte(input, random, (byte) => byte ^ (1 << random.below(8)));
const setEdge: Change = (input, random) => withByte(input, random, () => random.pick(EDGES));
const setAny: Change = (input, random) => withByte(input, random, () => random.below(256));

const remove: Change = (input, random) => {
  const [from, to] = range(input, random);
  return Buffer.concat([input.subarray(0, from), input.subarray(to)]);
};

const repeat: Change = (input, random) => {
  const [from, to] = range(input, random);
  const times = 1 + random.below(random.oneIn(20) ? 200 : 3);
  const part = Array<Buffer>(times).fill(input.subarray(from, to));
  return insertAt(input, to, Buffer.concat(part));
};

const cut: Change = (input, random) => input.subarray(0, random.below(input.length + 1));

const insertAny: Change = (input, random) => {
  const bytes = Buffer.from(Array.from({ length: 1 + random.below(8) }, () => random.below(256)));
  return insertAt(input, random.below(input.length + 1), bytes);
};

const splice: Change = (input, random, others) => {
  const other = random.pick(others);
  const [from, to] = range(other, random);
  const head = input.subarray(0, random.below(input.length + 1));
  const tail = random.oneIn(2) ? Buffer.alloc(0) : input.subarray(head.length);
  return Buffer.concat([head, other.subarray(from, to), tail]);
};

const CHANGES = [flipBit, setEdge, setAny, remove, repeat, cut, insertAny, splice];

function insertWord(dictionary: Dictionary): Change {
  return (input, random) =>
    insertAt(input, random.below(input.length + 1), Buffer.from(random.pick(dictionary)));
}

function insertAt(input: Buffer, at: number, bytes: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
}

function withByte(input: Buffer, random: SeededRandom, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(input);
  const at = random.below(copy.length);
  if (copy.length > 0) copy[at] = change(copy[at] ?? 0) & 0xff;
  return copy;
}

function range(input: Buffer, random: SeededRandom): readonly [number, number] {
  const from = random.below(input.length + 1);
  const length = random.oneIn(4) ? input.length : 16;
  return [from, Math.min(input.length, from + 1 + random.below(length))];
}
