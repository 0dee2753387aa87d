import { isMap, isScalar, isSeq, type LineCounter, type Node, type YAMLMap } from 'yaml';
import type { Path, Position } from './finding.js';
import type { YamlValue } from './yaml-value.js';

/**
 * Where a path stands in the text: the key of a field, the beginning of an item. A path that does not exist, such as
 * that of a missing field, has the position of its nearest ancestor that does.
 */
export function locate(
  path: Path,
  { value, nodes }: YamlValue,
  lines: LineCounter,
): Position | undefined {
  let offset: number | undefined;
  let current: unknown = value;
  for (const step of path) {
    const node = typeof current === 'object' && current !== null ? nodes.get(current) : undefined;
    const found = node === undefined ? undefined : offsetOf(node, step);
    if (found === undefined) break;
    offset = found;
    current = childOf(current, step);
  }
  offset ??= typeof value === 'object' && value !== null ? nodes.get(value)?.range?.[0] : undefined;
  if (offset === undefined) return undefined;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function childOf(container: unknown, step: string | number): unknown {
  if (typeof container !== 'object' || container === null) return undefined;
  return Object.getOwnPropertyDescriptor(container, step)?.value;
}

function offsetOf(node: Node, step: string | number): number | undefined {
  if (isSeq(node) && typeof step === 'number') return startOf(node.items[step]);
  return isMap(node) ? keyOffsets(node).get(String(step)) : undefined;
}

const offsets = new WeakMap<Node, ReadonlyMap<string, number | undefined>>();

/** Kept, since a map with many keys may have many problems. Of a key written twice the second counts: it has to go. */
function keyOffsets(node: YAMLMap): ReadonlyMap<string, number | undefined> {
  const known = offsets.get(node);
  if (known !== undefined) return known;
  const made = new Map(node.items.map(({ key }) => [keyText(key), startOf(key)]));
  offsets.set(node, made);
  return made;
}

function keyText(key: unknown): string {
  if (!isScalar(key)) return '';
  return typeof key.value === 'string' ? key.value : (key.source ?? '');
}

function startOf(item: unknown): number | undefined {
  if (typeof item !== 'object' || item === null || !('range' in item)) return undefined;
  return Array.isArray(item.range) && typeof item.range[0] === 'number' ? item.range[0] : undefined;
}
