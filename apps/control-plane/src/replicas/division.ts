/** Who does what: hosts divided over the replicas that are there, the same wherever it is worked out. Immutable. */
export class Division {
  /** `replicas` are ids; one that is not among them has nothing to do, unless there is none. */
  constructor(
    readonly self: string,
    readonly replicas: readonly string[],
  ) {}

  /** Whether nobody else is there. */
  get isAlone(): boolean {
    return this.replicas.every((replica) => replica === this.self);
  }

  owns(nodeId: string): boolean {
    return this.isAlone || ownerOf(nodeId, this.replicas) === this.self;
  }

  equals({ replicas }: Division): boolean {
    return replicas.join() === this.replicas.join();
  }
}

/**
 * Rendezvous hashing: each replica draws a number for the host, the highest has it. One that leaves or comes moves only
 * what it had or gets. Undefined where there is none.
 */
export function ownerOf(nodeId: string, replicas: readonly string[]): string | undefined {
  let [owner, highest]: [string | undefined, number] = [undefined, -1];
  for (const replica of replicas) {
    const drawn = draw(`${replica}/${nodeId}`);
    if (drawn > highest) [owner, highest] = [replica, drawn];
  }
  return owner;
}

/** FNV-1a of 32 bits, mixed at the end as MurmurHash3 does it: nobody gains by a collision, it only has to be even. */
function draw(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
