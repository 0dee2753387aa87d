type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What go over their elements one by one, as `for`, spreading and copying do. */
const ITERATORS = [[].values(), new Set().values(), new Map().values()].map(
  (iterator) => Object.getPrototypeOf(iterator) as object,
);
/** What looks at one element. */
const LOOKS = [
  [Map.prototype, ['get', 'has']],
  [Set.prototype, ['has', 'add']],
] as const;
/** What goes over a list as a whole. */
const WALKS = [
  'every',
  'filter',
  'find',
  'findIndex',
  'flatMap',
  'includes',
  'indexOf',
  'map',
  'reduce',
  'some',
  'sort',
] as const;

/**
 * How many elements of lists, sets and maps `work` goes over or looks up. What code does that goes over all hosts shows
 * here, however fast it is; what a `splice` moves in one block does not. Not for work that waits.
 */
export function stepsOf(work: () => unknown): number {
  let steps = 0;
  const undo: (() => void)[] = [];
  const count = (owner: object, name: string, cost: (self: unknown) => number): void => {
    const original = Reflect.get(owner, name) as Method;
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]) {
      steps += cost(this);
      return Reflect.apply(original, this, args);
    });
    undo.push(() => Reflect.set(owner, name, original));
  };
  for (const iterator of ITERATORS) count(iterator, 'next', () => 1);
  for (const [owner, names] of LOOKS) for (const name of names) count(owner, name, () => 1);
  for (const name of WALKS) count(Array.prototype, name, (list) => (list as unknown[]).length);
  count(Set.prototype, 'union', (set) => (set as Set<unknown>).size);
  try {
    // The counting itself goes over lists.
    steps = 0;
    work();
    return steps;
  } finally {
    for (const restore of undo) restore();
  }
}
