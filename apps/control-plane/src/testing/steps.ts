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
 * here, however fast it is; what a `splice` moves in one block does not.
 */
export function stepsOf(work: () => unknown): number {
  const counting = new Counting();
  try {
    work();
    return counting.steps;
  } finally {
    counting.end();
  }
}

/** The same until the promise of `work` is settled; what else goes on meanwhile, as a timer of a test, counts too. */
export async function stepsUntil(work: () => Promise<unknown>): Promise<number> {
  const counting = new Counting();
  try {
    await work();
    return counting.steps;
  } finally {
    counting.end();
  }
}

class Counting {
  steps = 0;
  readonly #undo: (() => void)[] = [];

  constructor() {
    for (const iterator of ITERATORS) this.#count(iterator, 'next', () => 1);
    for (const [owner, names] of LOOKS) for (const name of names) this.#count(owner, name, () => 1);
    for (const name of WALKS)
      this.#count(Array.prototype, name, (list) => (list as unknown[]).length);
    this.#count(Set.prototype, 'union', (set) => (set as Set<unknown>).size);
    // The counting itself goes over lists.
    this.steps = 0;
  }

  end(): void {
    for (const restore of this.#undo) restore();
  }

  #count(owner: object, name: string, cost: (self: unknown) => number): void {
    const original = Reflect.get(owner, name) as Method;
    const add = (self: unknown): void => void (this.steps += cost(self));
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]) {
      add(this);
      return Reflect.apply(original, this, args);
    });
    this.#undo.push(() => Reflect.set(owner, name, original));
  }
}
