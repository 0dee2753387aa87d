import { setTimeout as delay } from 'node:timers/promises';
import { compareOrdering } from '#bundle';
import type { Ordering } from '#contracts';
import type { TestHost } from './test-host.js';

const LOOK_EVERY_MS = 5;

/** Looks at what lies on Redis for hosts, again and again, and writes down what was followed by something older. */
export class OrderWatch {
  readonly went: { readonly host: string; readonly from: Ordering; readonly to: Ordering }[] = [];
  readonly #over = new AbortController();
  readonly #done: Promise<unknown>;
  /** Looks that found a record. */
  looks = 0;

  private constructor(hosts: readonly TestHost[]) {
    this.#done = Promise.all(hosts.map((host) => this.#follow(host)));
  }

  /** Watches while `work` goes on. */
  static async during(hosts: readonly TestHost[], work: () => Promise<void>): Promise<OrderWatch> {
    const watch = new OrderWatch(hosts);
    try {
      await work();
      return watch;
    } finally {
      watch.#over.abort();
      await watch.#done;
    }
  }

  async #follow({ name, link }: TestHost): Promise<void> {
    let last: Ordering | undefined;
    while (!this.#over.signal.aborted) {
      const now = (await link.fetchRecord())?.ordering;
      if (last && now && compareOrdering(now, last) < 0)
        this.went.push({ host: name, from: last, to: now });
      if (now) this.looks += 1;
      last = now ?? last;
      await delay(LOOK_EVERY_MS);
    }
  }
}
