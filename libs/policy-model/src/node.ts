/** What targeting knows of a host. */
export interface TargetNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** One test of a selector with its answer, for `hostward explain`. */
export interface SelectorTest {
  /** `env = prod`, `tier in (web, db)`, `group webservers`. */
  readonly test: string;
  /** What the node has: a label value, its name, or `(absent)`. */
  readonly actual: string;
  readonly passed: boolean;
  /** Tests of the group's selector, where the test names a group. */
  readonly within?: readonly SelectorTest[];
}

export interface Explanation {
  readonly selected: boolean;
  readonly tests: readonly SelectorTest[];
}
