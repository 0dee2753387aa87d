/**
 * From the parser's nodes to a plain value, with everything that YAML can do and JSON cannot refused: tags, keys that
 * are no strings, integers that lose digits, aliases that explode. The parser's own conversion is not used, since it
 * expands aliases before anybody can count them, and since its check for duplicate keys takes quadratic time.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
} from 'yaml';
import type { Path, Report } from './finding.js';
import type { RuleCode } from './rule-codes.js';

const MAX_DEPTH = 64;
const MAX_VALUES = 200_000;
/** Values that come into being by aliases; a policy has no use for many. */
const MAX_ALIASED = 10_000;

/** Thrown to end a conversion that is beyond a bound; caught where the conversion starts. */
class BeyondBound extends Error {}

/** A plain value and, for finding lines, the node that each of its maps and lists came from. */
export interface YamlValue {
  readonly value: unknown;
  readonly nodes: WeakMap<object, Node>;
}

/** Converts one document and reports what must not be; undefined if it is beyond a bound. */
export function toValue(document: Document.Parsed, report: Report): YamlValue | undefined {
  const conversion = new Conversion(report);
  try {
    return { value: conversion.convert(document.contents, []), nodes: conversion.nodes };
  } catch (error) {
    if (error instanceof BeyondBound) return undefined;
    throw error;
  }
}

class Conversion {
  readonly nodes = new WeakMap<object, Node>();
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #values = 0;
  #aliased = 0;
  #aliasDepth = 0;

  constructor(private readonly report: Report) {}

  convert(node: unknown, path: Path): unknown {
    this.#count(path);
    if (isAlias(node)) return this.#convertAlias(node, path);
    if (isScalar(node) || isMap(node) || isSeq(node)) this.#remember(node);
    if (isScalar(node)) return this.#convertScalar(node, path);
    if (isSeq(node)) return this.#within(node, () => this.#convertItems(node.items, path));
    if (isMap(node)) return this.#within(node, () => this.#convertPairs(node.items, path));
    return null;
  }

  #error(path: Path, rule: RuleCode, message: string, remedy: string, value?: unknown): void {
    this.report({ severity: 'error', path, value, rule, message, remedy });
  }

  #count(path: Path): void {
    this.#values += 1;
    if (this.#aliasDepth > 0) this.#aliased += 1;
    if (path.length > MAX_DEPTH) {
      this.#stop(path, 'too-deep', `it nests deeper than ${MAX_DEPTH} levels`);
    }
    if (this.#values > MAX_VALUES) {
      this.#stop(path, 'text-too-large', `it has more than ${MAX_VALUES} values`);
    }
    if (this.#aliased > MAX_ALIASED) {
      this.#stop(path, 'yaml-alias', `its aliases expand to more than ${MAX_ALIASED} values`);
    }
  }

  #stop(path: Path, rule: RuleCode, message: string): never {
    this.#error(
      path.slice(0, 4),
      rule,
      message,
      'split the document, and write values out instead of aliases',
    );
    throw new BeyondBound();
  }

  #remember(node: Node & { readonly anchor?: string }): void {
    if (node.anchor !== undefined && this.#aliasDepth === 0) this.#anchors.set(node.anchor, node);
  }

  #convertAlias(alias: Alias, path: Path): unknown {
    const node = this.#anchors.get(alias.source);
    if (node === undefined || this.#open.has(node)) {
      const message =
        node === undefined ? `no anchor ${alias.source} stands before it` : 'it contains itself';
      this.#error(path, 'yaml-alias', message, 'write the value out', `*${alias.source}`);
      return null;
    }
    this.#aliasDepth += 1;
    const value = this.convert(node, path);
    this.#aliasDepth -= 1;
    return value;
  }

  #within<T extends object>(node: Node, make: () => T): T {
    this.#open.add(node);
    const value = make();
    this.#open.delete(node);
    this.nodes.set(value, node);
    return value;
  }

  #convertItems(items: readonly unknown[], path: Path): unknown[] {
    return items.map((item, index) => this.convert(item, [...path, index]));
  }

  #convertPairs(pairs: readonly Pair[], path: Path): object {
    const fields = new Map<string, unknown>();
    for (const pair of pairs) {
      const key = this.#convertKey(pair.key, path);
      if (key === undefined) continue;
      const value = this.convert(pair.value, [...path, key]);
      if (fields.has(key)) this.#repeated(key, fields.get(key), value, path);
      else fields.set(key, value);
    }
    return Object.fromEntries(fields);
  }

  /** Written twice with one value the meaning is clear; strangers' policies do it. With two values it is not. */
  #repeated(key: string, first: unknown, second: unknown, path: Path): void {
    const place = [...path, key];
    if (JSON.stringify(first) !== JSON.stringify(second)) {
      const message = `${key} is written twice with different values`;
      return this.#error(place, 'duplicate-key', message, 'keep one of them', second);
    }
    const message = `${key} is written twice with the same value`;
    const remedy = 'remove one of them';
    this.report({ severity: 'warning', path: place, rule: 'repeated-key', message, remedy });
  }

  #convertKey(key: unknown, path: Path): string | undefined {
    if (isScalar(key) && typeof key.value === 'string') {
      this.#checkTag(key, path);
      return key.value;
    }
    const simple = isScalar(key) && key.value !== null && typeof key.value !== 'object';
    const text = simple ? (key.source ?? String(key.value)) : undefined;
    if (text === undefined)
      this.#error(path, 'bad-key', 'a key must be text', 'write a name before the colon');
    return text;
  }

  #convertScalar(node: Scalar, path: Path): unknown {
    this.#checkTag(node, path);
    const { value } = node;
    if (typeof value === 'bigint') return this.#toNumber(value, node, path);
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#error(
        path,
        'number-out-of-range',
        'the number is not finite',
        'write a whole number',
        node.source,
      );
      return 0;
    }
    return value;
  }

  #toNumber(value: bigint, node: Scalar, path: Path): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      const message = 'the number is too large to be kept exactly';
      this.#error(
        path,
        'number-out-of-range',
        message,
        'put it in quotes if it is text',
        node.source,
      );
    }
    return number;
  }

  #checkTag(node: Scalar, path: Path): void {
    const { tag } = node;
    if (tag === undefined || /^tag:yaml\.org,2002:(str|int|float|bool|null)$/.test(tag)) return;
    this.#error(path, 'yaml-tag', `the tag ${tag} is not taken`, 'remove the tag', node.source);
  }
}
