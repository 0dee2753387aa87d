import { isDeepStrictEqual } from 'node:util';
import { RefusedError, type RootDocument } from '#bundle';

/** What was published, as it was verified. */
interface Verified<T> {
  readonly value: T;
  /** Whether it is what came last: the control plane repeats itself every half a minute. */
  readonly isAgain: boolean;
}

/** Verifies what the control plane publishes to all hosts, and the same thing again only under another root document. */
export class Published<T> {
  #last:
    { readonly published: unknown; readonly root: RootDocument; readonly value: T } | undefined;

  /** `verify` throws RefusedError, of which `onRefused` is told. */
  constructor(
    private readonly verify: (published: unknown, online: RootDocument['online']) => T,
    private readonly onRefused: (error: RefusedError) => void,
  ) {}

  /** Undefined for what no online key of this root document signed. */
  take(published: unknown, root: RootDocument): Verified<T> | undefined {
    const last = this.#last;
    if (last?.root === root && isDeepStrictEqual(last.published, published))
      return { value: last.value, isAgain: true };
    try {
      const value = this.verify(published, root.online);
      this.#last = { published, root, value };
      return { value, isAgain: false };
    } catch (cause) {
      if (!(cause instanceof RefusedError)) throw cause;
      this.onRefused(cause);
      return undefined;
    }
  }
}
