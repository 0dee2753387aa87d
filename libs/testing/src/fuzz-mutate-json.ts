import type { SeededRandom } from '#contracts';

type Json = unknown;

/** Values that parsers have been wrong about. */
const EDGES: readonly Json[] = [
  ...[null, true, false, '', 'a', '__proto__', 'constructor', '\u0000', '\ud800', 'é', '/'],
  ...[0, -0, -1, 1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308],
  ...[[], {}, [[]], [null], '18446744073709551616', '01', 'x'.repeat(5_000)],
];
const NAMES = ['v', 'name', '__proto__', 'constructor', 'toString', 'x', '', 'spec', '0'];
const MAX_DEPTH_ADDED = 200;

/** Changes a JSON value in one to three places: values, members and items replaced, removed, doubled, moved, nested. */
export function mutateJson(value: Json, random: SeededRandom): Json {
  let changed = value;
  for (let left = 1 + random.below(3); left > 0; left--) changed = changeOne(changed, random);
  return changed;
}

/** Goes down with a chance at each level, so that every depth is reached. */
function changeOne(value: Json, random: SeededRandom): Json {
  if (Array.isArray(value) && value.length > 0 && !random.oneIn(4)) {
    const at = random.below(value.length);
    return value.map((item: Json, index) => (index === at ? changeOne(item, random) : item));
  }
  if (isObject(value) && Object.keys(value).length > 0 && !random.oneIn(4)) {
    const at = random.pick(Object.keys(value));
    return members(value, ([key, member]) => [
      [key, key === at ? changeOne(member, random) : member],
    ]);
  }
  return replaced(value, random);
}

function replaced(value: Json, random: SeededRandom): Json {
  if (Array.isArray(value)) return changedList(value, random);
  if (isObject(value)) return changedObject(value, random);
  if (random.oneIn(30)) return nested(value, random);
  if (typeof value === 'string' && random.oneIn(2)) return changedText(value, random);
  if (typeof value === 'number' && random.oneIn(2)) return value + random.pick([-1, 1, 0.5, 1e6]);
  return random.pick(EDGES);
}

function changedList(list: readonly Json[], random: SeededRandom): Json {
  const at = random.below(list.length);
  switch (random.below(5)) {
    case 0:
      return list.filter((_item, index) => index !== at);
    case 1:
      return [...list, list[at]];
    case 2:
      return [...list, random.pick(EDGES)];
    case 3:
      return list.toReversed();
    default:
      return random.pick(EDGES);
  }
}

function changedObject(object: Readonly<Record<string, Json>>, random: SeededRandom): Json {
  const keys = Object.keys(object);
  const at = keys[random.below(keys.length)];
  switch (random.below(4)) {
    case 0:
      return members(object, (entry) => (entry[0] === at ? [] : [entry]));
    case 1:
      return members({ ...object, [`${random.pick(NAMES)}`]: 0 }, ([key, member]) => [
        [key, key in object ? member : random.pick(EDGES)],
      ]);
    case 2:
      return members(object, ([key, member]) => [[key === at ? random.pick(NAMES) : key, member]]);
    default:
      return random.pick(EDGES);
  }
}

function changedText(text: string, random: SeededRandom): string {
  const at = random.below(text.length + 1);
  const rest = text.slice(at + random.below(3));
  return text.slice(0, at) + random.pick(['', 'A', '=', '/', '\u0000', '..', '\n', '٣']) + rest;
}

function nested(value: Json, random: SeededRandom): Json {
  let deep = value;
  for (let left = random.below(MAX_DEPTH_ADDED); left > 0; left--) deep = [deep];
  return deep;
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Members one by one into an object that has `__proto__` as a member like any other. */
function members(
  object: Readonly<Record<string, Json>>,
  change: (entry: [string, Json]) => readonly (readonly [string, Json])[],
): Record<string, Json> {
  return Object.fromEntries(Object.entries(object).flatMap(change));
}
