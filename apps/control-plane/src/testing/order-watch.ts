import { setTimeout as delay } from 'node:timers/promises';
import { compareAssignmentVersion } from '#bundle';
import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import type { TestHost } from './test-host.js';

const LOOK_EVERY_MS = 5;

/** Looks at what lies on Redis for hosts, again and again, and writes down what may not be seen there. */
export class OrderWatch {
  /** What was followed by something older. */
  readonly went: {
    readonly host: string;
    readonly from: AssignmentVersion;
    readonly to: AssignmentVersion;
  }[] = [];
  /** Hosts for which there was something, and then nothing. */
  readonly gaps: string[] = [];
  /** Bundles that came back after another one. */
  readonly cameBack: { readonly host: string; readonly digest: string }[] = [];
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
    let last: DeliveryRecord | undefined;
    const before = new Set<string>();
    while (!this.#over.signal.aborted) {
      const now = await link.fetchRecord();
      if (now === undefined && last) this.gaps.push(name);
      if (
        now &&
        last &&
        compareAssignmentVersion(now.assignmentVersion, last.assignmentVersion) < 0
      )
        this.went.push({ host: name, from: last.assignmentVersion, to: now.assignmentVersion });
      if (now && last && now.bundleDigest !== last.bundleDigest) {
        before.add(last.bundleDigest);
        if (before.has(now.bundleDigest))
          this.cameBack.push({ host: name, digest: now.bundleDigest });
      }
      if (now) this.looks += 1;
      last = now ?? last;
      await delay(LOOK_EVERY_MS);
    }
  }
}
