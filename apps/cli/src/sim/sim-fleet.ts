import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  SimulatedMarkKind,
  SimulationNews,
  SimulationOrder,
  SimulationPlan,
} from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { ProblemAnswer } from '../client/problem-answer.js';
import { joinTokenFor } from '../embedded/local-agent.js';
import { messageOf } from '../output/errors.js';
import { segment } from '../input/names.js';
import { checkDescriptors } from './descriptors.js';
import { drawHosts, type Mishaps } from './drawn-hosts.js';
import { Simulator } from './simulator.js';

/** What hosts are simulated, and what goes wrong on them; shares and probabilities from 0 to 1, times in ms. */
export interface SimFleetOptions extends Mishaps {
  /** Labels of each host, in order. */
  readonly labels: readonly Readonly<Record<string, string>>[];
  /** Names are this and a number. */
  readonly prefix: string;
  readonly processes: number;
  readonly caFingerprint: string;
  /** Holds what enrolment leaves on each host. */
  readonly stateDir: string;
  readonly failureProbability: number;
  readonly latencyMs: number;
  /** Of all that chance decides. */
  readonly seed: number;
}

interface HostRecord {
  readonly name: string;
  /** It never takes a rule set, so nobody waits for it to report one. */
  readonly stuck: boolean;
  /** Its simulation has failed: nobody waits for it at all. */
  lost: boolean;
  readonly last: Partial<Record<SimulatedMarkKind, Mark>>;
}

/** Read once, since it is compared many times a second: a generation that a mark does not name is 0. */
interface Mark {
  readonly at: number;
  readonly generation: bigint;
}

/** How long hosts have to come, and their join tokens to live. */
export const COME_WITHIN_MS = 1_800_000;
const ENROL_AT_ONCE = 16;
const DELETE_AT_ONCE = 8;
const NOT_FOUND = 404;
const DELETE_TRIES = 5;
const DELETE_AGAIN_MS = 1_000;
const POLL_MS = 20;
const MAX_TROUBLES = 20;

/** Simulated hosts in processes of their own, and what was heard of them. */
export class SimFleet {
  readonly hosts: readonly HostRecord[];
  /** The first things that went wrong with the simulation itself. */
  readonly troubles: string[] = [];
  readonly #drawn: ReturnType<typeof drawHosts>;
  readonly #simulators: Simulator[] = [];
  readonly #uses = new Map<number, Use>();

  private constructor(
    private readonly options: SimFleetOptions,
    private readonly controlPlane: ControlPlane,
  ) {
    this.#drawn = drawHosts(options.labels.length, options, options.seed);
    this.hosts = this.#drawn.map(({ stuck }, n) => ({
      name: `${options.prefix}-${String(n).padStart(5, '0')}`,
      stuck,
      lost: false,
      last: {},
    }));
  }

  /** Makes join tokens and starts the processes, whose hosts then enrol; `stop` it. */
  static async start(controlPlane: ControlPlane, options: SimFleetOptions): Promise<SimFleet> {
    await checkDescriptors(Math.ceil(options.labels.length / options.processes));
    const fleet = new SimFleet(options, controlPlane);
    const tokens = await tokensOf(controlPlane, options.labels);
    for (let at = 0; at < options.processes; at += 1) {
      const plan = fleet.#planOf(at, tokens);
      if (plan.hosts.length === 0) continue;
      fleet.#simulators.push(new Simulator(plan, (news) => fleet.#told(at, news)));
    }
    return fleet;
  }

  /** Resident memory and CPU time so far of all simulating processes. */
  get use(): { readonly residentBytes: number; readonly cpuMs: number } {
    const all = [...this.#uses.values()];
    return {
      residentBytes: all.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
      cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    };
  }

  /** What is wrong on how many hosts now, for people; empty where nothing is. */
  get conditions(): string {
    const counts = new Map<string, number>();
    for (const { conditions } of this.#uses.values())
      for (const [name, count] of Object.entries(conditions))
        counts.set(name, (counts.get(name) ?? 0) + count);
    return [...counts].map(([name, count]) => `${name} on ${count}`).join(', ');
  }

  /** Of all simulating processes. */
  get pids(): readonly number[] {
    return this.#simulators.map(({ pid }) => pid);
  }

  /** How many hosts have come so far as this. */
  count(kind: SimulatedMarkKind): number {
    return this.hosts.filter(({ last }) => last[kind] !== undefined).length;
  }

  /**
   * When each host that `isOne` names was last so far, ms of the monotonic clock, by name: waits until all were there at
   * a generation not below this one and not before `since`, or the time is over. A host whose simulation failed is not
   * waited for; where there is a generation, neither is one that failed to load it, or that is stuck.
   */
  async reached(
    kind: SimulatedMarkKind,
    wanted: { readonly generation?: bigint; readonly since?: number },
    { isOne = () => true, withinMs, signal }: ReachedOptions,
  ): Promise<ReadonlyMap<string, number>> {
    const deadline = monotonicMs() + withinMs;
    const found = new Map<string, number>();
    const { generation = 0n, since = 0 } = wanted;
    const isReached = ({ name, last }: HostRecord): boolean => {
      const mark = last[kind];
      if (mark === undefined || mark.at < since || mark.generation < generation) return false;
      found.set(name, mark.at);
      return true;
    };
    const isWaitedFor = (host: HostRecord): boolean =>
      !host.lost && (generation === 0n || !(host.stuck || failedAt(host, generation)));
    let left = this.hosts.filter((_, n) => isOne(n));
    for (;;) {
      left = left.filter((host) => !isReached(host));
      if (!left.some(isWaitedFor) || monotonicMs() > deadline) return found;
      await delay(POLL_MS, undefined, { signal });
    }
  }

  /** Hosts that failed to load this generation, or a later one; by a later attempt they may have loaded it. */
  failed(generation: bigint): readonly string[] {
    return this.hosts.filter((host) => failedAt(host, generation)).map(({ name }) => name);
  }

  /** Gives an order to all hosts. */
  order(order: SimulationOrder): void {
    for (const simulator of this.#simulators) simulator.order(order);
  }

  /** Ends the processes; the hosts stay known to the control plane. */
  async stop(): Promise<void> {
    await Promise.all(this.#simulators.map((simulator) => simulator.stop()));
  }

  /** Takes the hosts out of the control plane, those that came so far; what each that is left there failed by. */
  async remove(): Promise<readonly string[]> {
    const enrolled = this.hosts.filter(({ last }) => last.enrolled !== undefined).values();
    const left: string[] = [];
    const worker = async (): Promise<void> => {
      for (const { name } of enrolled) {
        const failure = await this.#failureToRemove(name);
        if (failure !== undefined) left.push(failure);
      }
    };
    await Promise.all(Array.from({ length: DELETE_AT_ONCE }, worker));
    return left;
  }

  /** A control plane that was just hit by a storm of thousands may be late: it is asked again. */
  async #failureToRemove(name: string): Promise<string | undefined> {
    let failure: string | undefined;
    for (let tried = 0; tried < DELETE_TRIES; tried += 1) {
      if (tried > 0) await delay(DELETE_AGAIN_MS * tried);
      failure = await this.controlPlane
        .call(`/v1/nodes/${segment(name)}`, { method: 'DELETE' })
        .then(() => undefined, failureOfDeletion);
      if (failure === undefined) break;
    }
    return failure;
  }

  /** Hosts go to the processes by turns. */
  #planOf(at: number, tokens: ReadonlyMap<string, string>): SimulationPlan {
    const { processes, labels, stateDir, ...rest } = this.options;
    const drawn = [...this.#drawn.entries()].filter(([n]) => n % processes === at);
    return {
      v: 1,
      url: this.controlPlane.url,
      caFingerprint: rest.caFingerprint,
      enrolAtOnce: Math.ceil(ENROL_AT_ONCE / processes),
      failureProbability: rest.failureProbability,
      latencyMs: rest.latencyMs,
      hosts: drawn.map(([n, chance]) => ({
        name: this.hosts[n]?.name ?? '',
        token: tokens.get(JSON.stringify(labels[n])) ?? '',
        stateDir: join(stateDir, String(n)),
        ...chance,
      })),
    };
  }

  #told(at: number, news: SimulationNews): void {
    if (news.kind === 'use') this.#uses.set(at, news);
    if (news.kind === 'trouble') this.#lost(at, news);
    if (news.kind !== 'marks') return;
    for (const mark of news.marks) {
      const host = this.#host(at, mark.host);
      if (host) host.last[mark.kind] = { at: mark.at, generation: BigInt(mark.generation ?? 0) };
    }
  }

  #lost(at: number, { host, message }: { readonly host?: number; readonly message: string }): void {
    if (this.troubles.length < MAX_TROUBLES) this.troubles.push(message);
    const theirs = this.hosts.filter((_, n) => n % this.options.processes === at);
    for (const each of host === undefined ? theirs : [this.#host(at, host)])
      if (each) each.lost = true;
  }

  /** By its place in the plan of a process. */
  #host(at: number, place: number): HostRecord | undefined {
    return this.hosts[place * this.options.processes + at];
  }
}

/** None where it is gone: an attempt that was not answered may have come to its end. */
function failureOfDeletion(error: unknown): string | undefined {
  return error instanceof ProblemAnswer && error.status === NOT_FOUND
    ? undefined
    : messageOf(error);
}

type Use = Extract<SimulationNews, { kind: 'use' }>;

/** Which hosts count (all by default, by their number) and how long to wait. */
interface ReachedOptions {
  readonly isOne?: (n: number) => boolean;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

function failedAt({ last }: HostRecord, generation: bigint): boolean {
  return last.failed !== undefined && last.failed.generation >= generation;
}

/** The clock of simulated hosts' marks. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** One token for each set of labels, for as many hosts as have it. */
async function tokensOf(
  controlPlane: ControlPlane,
  labels: SimFleetOptions['labels'],
): Promise<ReadonlyMap<string, string>> {
  const uses = new Map<string, number>();
  for (const each of labels) {
    const key = JSON.stringify(each);
    uses.set(key, (uses.get(key) ?? 0) + 1);
  }
  const tokens = new Map<string, string>();
  for (const [key, count] of uses) {
    const set = JSON.parse(key) as Record<string, string>;
    const options = { uses: count, labels: set, ttlMs: COME_WITHIN_MS };
    tokens.set(key, await joinTokenFor(controlPlane, options));
  }
  return tokens;
}
