/** Epoch, generation, issuedAt: compared in this order. */
export type Order = readonly [epoch: number, generation: number, issuedAt: number];

/** What a commit put into etcd: 1 a policy, 2 its deletion, 3 the revocation of the host. 0: nothing yet. */
export type Content = number;

const REVOKED: Content = 3;

/** The first commit is a policy, the second its deletion, the third the same policy again; the last may be a revocation. */
export function contentOf(commit: number, { commits, revokes }: Bounds): Content {
  if (revokes === true && commit === commits) return REVOKED;
  return commit % 2 === 0 ? 2 : 1;
}

/** The host is none of ours any more, as far as `content` says. */
export const isRevoked = (content: Content | undefined): boolean => content === REVOKED;

/** What an owner of Redis makes up. */
export const FORGED: Content = -1;

/** An assignment with its bundle. `signed` is false where neither root nor commit are by keys of ours. */
export interface Delivered {
  readonly order: Order;
  readonly content: Content;
  readonly signed: boolean;
}

/** Handed over to the sensor; `seenBefore`: the highest seen as it was before, where that is what it is compared with. */
export interface Fetched extends Delivered {
  readonly seenBefore?: Order;
}

export interface Replica {
  /** What its watch has brought. */
  readonly generation: number;
  readonly content: Content;
  /** What it believes to be delivered. */
  readonly board: Delivered | undefined;
  /** What it believed to be delivered until Redis lost it. */
  readonly lost: Delivered | undefined;
  /** Sealed and not yet written: where a paused process stands. */
  readonly sealed: Delivered | undefined;
  /** Its marker in Redis is gone: what it wrote before says nothing any more. */
  readonly markerGone: boolean;
  /** Its machine is gone for good. */
  readonly gone: boolean;
}

export interface Host {
  /** Kept apart from what is applied, and over restarts. */
  readonly seen: Order;
  /** In the snapshot, from which the host boots. */
  readonly applied: Delivered | undefined;
  readonly lastGood: Delivered | undefined;
  /** Fetched from Redis, and not verified yet; the first comes first. */
  readonly fetched: readonly Fetched[];
  /** What is not fetched again, where a refusal counts for all that have its order. */
  readonly refused?: Order;
  /** Accepted, persisted as seen, and not yet read back; `swapped` once the kernel has it. */
  readonly staged: Delivered | undefined;
  readonly swapped: boolean;
  readonly inKernel: Content;
  readonly fellBack: boolean;
  /** Reports it has sent. */
  readonly sequence: number;
}

export interface Report {
  readonly sequence: number;
  /** Of what is applied; all 0: nothing is. */
  readonly order: Order;
  readonly seen: Order;
  readonly fellBack: boolean;
  /** History, which no report carries: what it says had been read back. */
  readonly proved: boolean;
}

/** One moment of the whole: etcd, two replicas, Redis, one host, and what the control plane believes of it. */
export interface State {
  readonly epoch: number;
  readonly generation: number;
  /** What each generation holds; its last is the newest. */
  readonly log: readonly Content[];
  /** History: every (epoch, generation, content) that was ever committed. */
  readonly committed: readonly string[];
  readonly nextCommit: number;
  readonly clock: number;
  readonly replicas: readonly [Replica, Replica];
  /** The highest generation of this epoch that was published, as the replicas keep it on their disks. */
  readonly published: number;
  readonly alarm: boolean;
  readonly redis: Delivered | undefined;
  readonly nudged: boolean;
  /** What an owner of Redis has copied. */
  readonly recorded: Delivered | undefined;
  readonly recordedReport: Report | undefined;
  readonly tampered: boolean;
  readonly host: Host;
  readonly inbox: Report | undefined;
  readonly status: Report | undefined;
  /** Faults that may still happen. */
  readonly faults: number;
}

/** Sizes of an exploration; `begun`: of the commits the first is delivered, and everybody knows, before it begins. */
export interface Bounds {
  readonly commits: number;
  readonly faults: number;
  readonly begun?: boolean;
  /** The last commit revokes the host. */
  readonly revokes?: boolean;
}

export function initial(bounds: Bounds): State {
  const state = empty(bounds);
  return bounds.begun === true ? begun(state, bounds) : state;
}

function begun(state: State, bounds: Bounds): State {
  const first: Delivered = { order: [1, 1, 1], content: contentOf(1, bounds), signed: true };
  const { content, order } = first;
  const knows = (replica: Replica): Replica => ({
    ...replica,
    ...{ generation: 1, content, board: first },
  });
  const [one, other] = state.replicas;
  return {
    ...state,
    ...{ generation: 1, log: [0, content], committed: [commitName(1, 1, content)], nextCommit: 2 },
    ...{ clock: 1, published: 1, redis: first, replicas: [knows(one), knows(other)] },
    host: { ...state.host, seen: order, applied: first, inKernel: content, sequence: 1 },
    status: { sequence: 1, order, seen: order, fellBack: false, proved: true },
  };
}

/** That knows nothing yet. */
export const NEW_REPLICA: Replica = {
  ...{ generation: 0, content: 0, markerGone: false, gone: false },
  ...{ board: undefined, lost: undefined, sealed: undefined },
};

function empty(bounds: Bounds): State {
  return {
    epoch: 1,
    generation: 0,
    log: [0],
    committed: [],
    nextCommit: 1,
    clock: 0,
    replicas: [NEW_REPLICA, NEW_REPLICA],
    published: 0,
    alarm: false,
    redis: undefined,
    nudged: false,
    recorded: undefined,
    recordedReport: undefined,
    tampered: false,
    host: {
      seen: NOTHING,
      applied: undefined,
      lastGood: undefined,
      fetched: [],
      staged: undefined,
      swapped: false,
      inKernel: 0,
      fellBack: false,
      sequence: 0,
    },
    inbox: undefined,
    status: undefined,
    faults: bounds.faults,
  };
}

export function compare(a: Order, b: Order): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

export const NOTHING: Order = [0, 0, 0];

export const isGreater = (a: Order, b: Order | undefined): boolean =>
  b === undefined || compare(a, b) > 0;

/** The host enforces what etcd holds, be it since an earlier generation that held the same. */
export function hasNewest({ host: { applied }, epoch, generation, log }: State): boolean {
  return applied?.order[0] === epoch && applied.content === log[generation];
}

/** A name of what was committed. */
export const commitName = (epoch: number, generation: number, content: Content): string =>
  `${epoch}.${generation}=${content}`;
