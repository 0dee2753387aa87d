import { type Glob, type GlobToken, isComponent, isMember, printGlob } from '../resolve/glob.js';

/** A step by any byte but those excluded (and 0). */
export interface WildArc {
  readonly excluded: readonly number[];
  readonly target: number;
}

const SLASH = 0x2f;
const NOTHING: readonly number[] = [];

/**
 * Globs as one nondeterministic automaton. A node stands for what was matched so far, as a sequence of tokens, so that
 * globs share the nodes of what they begin with: 200 patterns that begin with `/**` share one loop. Node 0 is the start.
 */
export class GlobGraph {
  /** Arcs by a byte, as a list a node: its newest arc, or -1, and from each arc to the one before. */
  readonly firstArc: number[] = [];
  readonly nextArc: number[] = [];
  readonly arcByte: number[] = [];
  readonly arcTarget: number[] = [];
  private readonly wild = new Map<number, WildArc[]>();
  private readonly empty = new Map<number, number[]>();
  private readonly accepted = new Map<number, number[]>();
  /** Whether the arc's target stands for nothing but the text up to it, which other globs may share. */
  private readonly isText: boolean[] = [];
  private readonly named = new Map<string, number>();

  constructor() {
    this.node();
  }

  get size(): number {
    return this.firstArc.length;
  }

  /** Adds a glob; its end accepts the number. */
  add(glob: Glob, accepts: number): void {
    const end = this.sequence(0, glob, true);
    push(this.accepted, end, accepts);
  }

  wildArcs(node: number): readonly WildArc[] {
    return this.wild.get(node) ?? [];
  }

  emptyArcs(node: number): readonly number[] {
    return this.empty.get(node) ?? NOTHING;
  }

  acceptedBy(node: number): readonly number[] {
    return this.accepted.get(node) ?? NOTHING;
  }

  private node(): number {
    this.firstArc.push(-1);
    return this.firstArc.length - 1;
  }

  private arc(from: number, byte: number, target: number, isText: boolean): void {
    this.isText.push(isText);
    this.nextArc.push(this.firstArc[from] ?? -1);
    this.arcByte.push(byte);
    this.arcTarget.push(target);
    this.firstArc[from] = this.arcByte.length - 1;
  }

  private sequence(from: number, glob: Glob, top: boolean): number {
    let node = from;
    for (const [at, token] of glob.entries()) {
      node = this.token(node, token, isComponent(glob, at, top));
    }
    return node;
  }

  private token(from: number, token: GlobToken, component: boolean): number {
    switch (token.type) {
      case 'text':
        return this.text(from, token.text);
      case 'star':
        return this.loop(from, [SLASH], component);
      case 'globstar':
        return this.loop(from, NOTHING, component);
      case 'any':
        return this.after(from, '?', (node) => push(this.wild, from, wildArc([SLASH], node)));
      case 'class':
        return this.byteClass(from, token.members, token.negated);
      case 'group':
        return this.group(from, token.alternatives);
    }
  }

  private text(from: number, text: string): number {
    let node = from;
    for (const byte of Buffer.from(text, 'utf8')) node = this.child(node, byte);
    return node;
  }

  private child(from: number, byte: number): number {
    for (let arc = this.firstArc[from] ?? -1; arc >= 0; arc = this.nextArc[arc] ?? -1) {
      if (this.arcByte[arc] === byte && this.isText[arc]) return this.arcTarget[arc] ?? 0;
    }
    const made = this.node();
    this.arc(from, byte, made, true);
    return made;
  }

  private loop(from: number, excluded: readonly number[], component: boolean): number {
    return this.after(from, `*${excluded.join()}${component ? '+' : ''}`, (node) => {
      if (component) push(this.wild, from, wildArc(excluded, node));
      else push(this.empty, from, node);
      push(this.wild, node, wildArc(excluded, node));
    });
  }

  private byteClass(from: number, members: string, negated: boolean): number {
    const bytes = bytesOfClass(members);
    return this.after(from, `[${negated ? '^' : ''}${members}]`, (node) => {
      if (negated) push(this.wild, from, wildArc(bytes, node));
      else for (const byte of bytes) this.arc(from, byte, node, false);
    });
  }

  private group(from: number, alternatives: readonly Glob[]): number {
    return this.after(from, `{${alternatives.map(printGlob).join(',')}}`, (node) => {
      for (const alternative of alternatives) {
        push(this.empty, this.sequence(from, alternative, false), node);
      }
    });
  }

  /** The node after a token, made once. */
  private after(from: number, token: string, connect: (node: number) => void): number {
    const key = `${from}${token}`;
    const known = this.named.get(key);
    if (known !== undefined) return known;
    const made = this.node();
    this.named.set(key, made);
    connect(made);
    return made;
  }
}

function push<T>(lists: Map<number, T[]>, key: number, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function wildArc(excluded: readonly number[], target: number): WildArc {
  return { excluded, target };
}

function bytesOfClass(members: string): readonly number[] {
  return Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => isMember(members, byte));
}
