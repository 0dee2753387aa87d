import { Injectable } from '@nestjs/common';
import { Fleet } from '../store/fleet.js';
import { StatusReader } from './status-reader.js';

const LOOK_EVERY_MS = 2_000;

/** Names of hosts that may look different from before. */
export interface NodeMarks {
  /** Those since the last call. */
  take(): ReadonlySet<string>;
  close(): void;
}

/**
 * Says which hosts may look different from before: at once what etcd changes, within two seconds what reports and their
 * silence change. Looks at nothing while nobody follows; many who follow cost one look.
 */
@Injectable()
export class NodeNews {
  readonly #followed = new Set<{ marked: Set<string> }>();
  #looks = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
  ) {
    fleet.onChange(({ nodes, shown, removed }) => {
      for (const names of [nodes, shown, removed]) this.#mark(names);
    });
  }

  /** Marks from now on; close them. */
  follow(): NodeMarks {
    const marks = { marked: new Set<string>() };
    if (this.#followed.size === 0) this.#begin();
    this.#followed.add(marks);
    return {
      take: () => {
        const { marked } = marks;
        marks.marked = new Set();
        return marked;
      },
      close: () => {
        this.#followed.delete(marks);
        if (this.#followed.size === 0) this.#end();
      },
    };
  }

  #begin(): void {
    this.#looks = this.#look();
    this.#timer = setInterval(() => this.#compare(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#looks = new Map();
  }

  #compare(): void {
    const before = this.#looks;
    this.#looks = this.#look();
    const others = [...this.#looks].filter(([name, look]) => before.get(name) !== look);
    this.#mark(others.map(([name]) => name));
  }

  /** What reports and time change of how a host looks. */
  #look(): Map<string, string> {
    const state = this.fleet.whole();
    return new Map(
      state.nodes.sorted().map(({ name }) => {
        const { freshness, report, cutOff } = this.status.evidence(state, name);
        const version = `${report?.versions.agent} ${report?.rolledBack?.at}`;
        return [name, `${freshness.fresh} ${cutOff?.at} ${report?.enforcer} ${version}`];
      }),
    );
  }

  #mark(names: Iterable<string>): void {
    if (this.#followed.size === 0) return;
    for (const name of names) for (const { marked } of this.#followed) marked.add(name);
  }
}
