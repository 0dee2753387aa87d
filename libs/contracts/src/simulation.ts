/** What a simulated host calls its kernel: nothing is enforced there, whatever it reports. */
export const SIMULATED_KERNEL = 'simulated';

/** A host that is simulated: `stateDir` is absolute, `token` lets it in. */
export interface SimulatedHostPlan {
  readonly name: string;
  readonly token: string;
  readonly stateDir: string;
  /** Its sensor never answers again when it is given a rule set. */
  readonly stuck: boolean;
  /** Added to each rule set that it takes, ms. */
  readonly slowMs: number;
  /** Its clock is ahead by so much, ms; negative: behind. */
  readonly skewMs: number;
  /** Of its chance: which rule sets fail to load, and how long it waits before it acts on each nudge. */
  readonly seed: number;
}

/** First line on standard input of a simulator (`agent simulate`), JSON. */
export interface SimulationPlan {
  readonly v: 1;
  readonly url: string;
  readonly caFingerprint: string;
  /** Enrolments that are under way at a time. */
  readonly enrolAtOnce: number;
  /** Of a rule set that is loaded, from 0 to 1. */
  readonly failureProbability: number;
  /** Before a nudge is acted on, ms; each host waits up to half more or less. */
  readonly latencyMs: number;
  readonly hosts: readonly SimulatedHostPlan[];
}

/**
 * Further lines on standard input: `cut` drops the connections of all hosts at once; from `hold` to `go` hosts take up what
 * a nudge brings only when no more nudges come, and say when it has arrived. Its end ends the simulator.
 */
export type SimulationOrder = 'cut' | 'hold' | 'go';

/**
 * What happened to a host: it is enrolled; it hears nudges (again); while nudges are held, one has arrived; a rule set is in
 * force, or failed to load; Redis has taken the first report that says so, or the first one since it hears nudges again.
 */
export type SimulatedMarkKind =
  'enrolled' | 'listening' | 'arrived' | 'in-force' | 'failed' | 'reported';

/**
 * `host` is the place in the plan; `at` in ms of the machine's monotonic clock; generation of what the host enforces, or of
 * what has arrived.
 */
export interface SimulatedMark {
  readonly host: number;
  readonly kind: SimulatedMarkKind;
  readonly at: number;
  readonly generation?: string;
}

/** A line on a simulator's standard output, JSON. */
export type SimulationNews =
  | { readonly kind: 'marks'; readonly marks: readonly SimulatedMark[] }
  /**
   * Resident memory and CPU time so far of the simulator, while `hosts` of its hosts run; how many of them have which
   * condition now.
   */
  | {
      readonly kind: 'use';
      readonly hosts: number;
      readonly residentBytes: number;
      readonly cpuMs: number;
      readonly conditions: Readonly<Record<string, number>>;
    }
  /** A host of the plan that will not come, or, without one, none of them. */
  | { readonly kind: 'trouble'; readonly message: string; readonly host?: number };
