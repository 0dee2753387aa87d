import type { Automaton } from './automaton.js';

/** Bytes that no state of any automaton tells apart. */
export interface ByteClasses {
  /** Class of each byte: from 1; 0 for the byte 0. */
  readonly classes: Uint8Array;
  /** Whether a byte is the first of its class. */
  readonly isFirst: Uint8Array;
  readonly count: number;
}

/** The coarsest classes; those of many transitions get low numbers, so that these lie close to the heads of states. */
export function byteClasses(automata: readonly Automaton[]): ByteClasses {
  const refined = new Refinement();
  const uses = new Float64Array(256);
  for (const automaton of automata) {
    for (let state = 0; state < automaton.accepts.length; state++) {
      refined.byState(automaton, state);
    }
    for (const byte of automaton.bytes) uses[byte] = (uses[byte] ?? 0) + 1;
  }
  return numbered(refined.classes, uses);
}

class Refinement {
  readonly classes = new Uint8Array(256);
  private readonly sizes: number[] = [256];

  /** Splits the classes of which the state sends only some bytes to a target. */
  byState({ offsets, bytes, targets }: Automaton, state: number): void {
    const begin = offsets[state] ?? 0;
    const end = offsets[state + 1] ?? 0;
    if (this.isFine(bytes, begin, end)) return;
    const parts = new Map<string, number[]>();
    for (let at = begin; at < end; at++) {
      const byte = bytes[at] ?? 0;
      const key = `${this.classes[byte] ?? 0}:${targets[at] ?? 0}`;
      const part = parts.get(key);
      if (part === undefined) parts.set(key, [byte]);
      else part.push(byte);
    }
    for (const part of parts.values()) this.split(part);
  }

  /** Bytes that are classes of their own already: most states of a large set have no others. */
  private isFine(bytes: Uint8Array, begin: number, end: number): boolean {
    for (let at = begin; at < end; at++) {
      if ((this.sizes[this.classes[bytes[at] ?? 0] ?? 0] ?? 0) > 1) return false;
    }
    return true;
  }

  private split(part: readonly number[]): void {
    const old = this.classes[part[0] ?? 0] ?? 0;
    const size = this.sizes[old] ?? 0;
    if (size === part.length) return;
    this.sizes[old] = size - part.length;
    const made = this.sizes.push(part.length) - 1;
    for (const byte of part) this.classes[byte] = made;
  }
}

function numbered(refined: Uint8Array, uses: Float64Array): ByteClasses {
  const first = new Map<number, number>();
  for (let byte = 255; byte > 0; byte--) first.set(refined[byte] ?? 0, byte);
  const weight = (byte: number): number => uses[byte] ?? 0;
  const order = [...first].sort(([, a], [, b]) => weight(b) - weight(a) || a - b);
  const numbers = new Map(order.map(([refinedClass], at) => [refinedClass, at + 1]));
  const isFirst = new Uint8Array(256);
  for (const byte of first.values()) isFirst[byte] = 1;
  const classes = refined.map((refinedClass, byte) =>
    byte === 0 ? 0 : (numbers.get(refinedClass) ?? 0),
  );
  return { classes, isFirst, count: order.length };
}
