/**
 * A deterministic automaton over bytes, sparse: where a state goes by default, and the bytes for which it goes
 * elsewhere. State 0 is dead: it accepts nothing and stays. The byte 0, which no path has, counts as any other.
 */
export interface Automaton {
  readonly start: number;
  /** By state. */
  readonly defaults: Int32Array;
  /** Exceptions of state s are those from offsets[s] up to offsets[s + 1], ascending by byte. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
  readonly targets: Int32Array;
  /** By state: what it accepts; 0 is nothing. */
  readonly accepts: Int32Array;
}

/** The state after some bytes from the start. */
export function stateAfter(automaton: Automaton, bytes: Uint8Array): number {
  return bytes.reduce((state, byte) => next(automaton, state, byte), automaton.start);
}

function next(
  { defaults, offsets, bytes, targets }: Automaton,
  state: number,
  byte: number,
): number {
  for (let at = offsets[state] ?? 0; at < (offsets[state + 1] ?? 0); at++) {
    if (bytes[at] === byte) return targets[at] ?? 0;
  }
  return defaults[state] ?? 0;
}

/** Collects states in the order of their numbers. */
export class AutomatonBuilder {
  private readonly defaults: number[] = [];
  private readonly offsets: number[] = [0];
  private readonly bytes: number[] = [];
  private readonly targets: number[] = [];
  private readonly accepts: number[] = [];

  /** States and exceptions so far. */
  get size(): number {
    return this.defaults.length + this.bytes.length;
  }

  /** An exception of the state that the next call of `state` ends; bytes ascend. */
  exception(byte: number, target: number): void {
    this.bytes.push(byte);
    this.targets.push(target);
  }

  state(byDefault: number, accepts: number): void {
    this.defaults.push(byDefault);
    this.accepts.push(accepts);
    this.offsets.push(this.bytes.length);
  }

  finish(start: number): Automaton {
    return {
      start,
      defaults: Int32Array.from(this.defaults),
      offsets: Int32Array.from(this.offsets),
      bytes: Uint8Array.from(this.bytes),
      targets: Int32Array.from(this.targets),
      accepts: Int32Array.from(this.accepts),
    };
  }
}
