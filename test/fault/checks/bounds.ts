import type { Action } from '../history.js';
import type { Truth } from '../truth.js';
import type { Operation } from './operation.js';

/** A commit that only one operation can have made. */
interface Anchor {
  readonly revision: number;
  /** Indexes of lines: when it was first asked for, and when it was first answered. */
  readonly asked: number;
  readonly answered: number;
}

/**
 * At which revision etcd was, as far as the lines of a history tell. Those of commits come late, by as much as it takes
 * to read etcd under faults, so they say at which revision it was at least. At most it was before what was asked later
 * and can be told by its name, which no other change has.
 */
export class Bounds {
  readonly #anchors: readonly Anchor[];

  constructor(
    operations: readonly Operation[],
    private readonly truth: Truth,
  ) {
    const same = Map.groupBy(operations, ({ action }) => revisionOf(action, truth) ?? NaN);
    this.#anchors = [...same].flatMap(([revision, each]) => {
      if (Number.isNaN(revision)) return [];
      const answers = each.flatMap(({ end, endedAt }) => (end?.type === 'ok' ? [endedAt] : []));
      const asked = Math.min(...each.map(({ at }) => at));
      return [{ revision, asked, answered: Math.min(...answers, Infinity) }];
    });
  }

  /** When this line was written, etcd had this revision. */
  lowest(at: number): number {
    const read = this.truth.commits.flatMap((each) => (each.at < at ? [each.revision] : []));
    const answered = this.#anchors.flatMap((each) => (each.answered < at ? [each.revision] : []));
    return Math.max(0, ...read, ...answered);
  }

  /** When this line was written, etcd had none above this one. */
  highest(at: number): number {
    const later = this.#anchors.flatMap((each) => (each.asked > at ? [each.revision] : []));
    return Math.min(...later) - 1;
  }
}

function revisionOf(action: Action, truth: Truth): number | undefined {
  if (action.kind === 'apply') return truth.applyOf(action.policy, action.marker);
  return action.kind === 'suspend' ? truth.beginOf(action.reason) : undefined;
}
