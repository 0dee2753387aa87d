import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeView, Page } from '#contracts';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import { PrivateControlPlane } from '../../../apps/cli/src/embedded/private-control-plane.js';
import type { RunRecord } from '../../../apps/cli/src/embedded/run-record.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { processesFor } from '../../../apps/cli/src/sim/descriptors.js';
import { applyChange, type ChangeResult } from '../../../apps/cli/src/sim/sim-change.js';
import { COME_WITHIN_MS, monotonicMs, SimFleet } from '../../../apps/cli/src/sim/sim-fleet.js';
import { withCpu, type CpuShares, type CpuTimes } from './change-cpu.js';
import { cpuMsOf, sumOf, useOf, type ProcessUse } from './process-use.js';
import { RedisPublish } from './redis-publish.js';
import { RedisCounter, type RedisWork, type ReportBytes, workPerHost } from './redis-work.js';
import { restMeanwhile, type Waits } from './rest-meanwhile.js';

/** Hosts of a fleet, and how often each change is made. */
export interface FleetRunSize {
  readonly nodes: number;
  readonly rounds: number;
}

/** Which hosts a change hits, by the label that they have for it. */
export interface Hit {
  readonly name: string;
  readonly key: string;
  readonly isOne: (n: number) => boolean;
}

export const HIT_ALL: Hit = { name: 'all', key: 'bench-all', isOne: () => true };
const HIT_PART: Hit = { name: '1 %', key: 'bench-part', isOne: (n) => n % 100 === 0 };
export const HIT_SOME: readonly Hit[] = [
  HIT_PART,
  { name: 'one host', key: 'bench-one', isOne: (n) => n === 0 },
];

/** The rounds of one hit. */
export interface Rounds {
  readonly hit: Hit;
  readonly results: readonly ChangeResult[];
  readonly cpuMs: readonly CpuTimes[];
  /** In the pause after each change, in which the hosts confirm it. */
  readonly afterMs: readonly CpuTimes[];
  readonly pauseMs: number;
  /** For each host it hits, until the hosts have confirmed the change. */
  readonly redis: readonly RedisWork[];
}

/**
 * Of hosts after Redis was killed: when each that came was back, ms from then on; `missing` did not come back in time, and
 * `unchanged` missed the change to one in a hundred that was made while it was away.
 */
export interface Return {
  readonly waitsMs: readonly number[];
  readonly missing: number;
  readonly unchanged: number;
  readonly cpuMs: CpuTimes;
}

/** Uses of a window in which nothing is done. */
export interface Idle {
  readonly controlPlane: ProcessUse;
  /** Both together. */
  readonly redis: ProcessUse;
}

/** The baselines: of a return as many bare connections, of a delivery a publish, of an ack one that each subscriber answers. */
export interface Bare {
  readonly connectMs: number;
  readonly publish: Exchange & { readonly redis: RedisWork };
  readonly answer: Exchange;
}

/** Times of each round in order, and what a message takes of Redis and of its subscriber. */
export interface Exchange {
  readonly rounds: readonly (readonly number[])[];
  readonly cpuMs: number;
}

const ROUND_WITHIN_MS = 120_000;
/** From this number on changes are those whose arrival is measured. */
const HELD = 1_000;
/** The change that is made while Redis is away. */
const MEANWHILE = 2_000;
const BACK_WITHIN_MS = 180_000;
/** Hosts confirm a change within four seconds after it, those of a larger fleet within twenty, as far as cores go. */
const PAUSE_MS = 5_000;
const LARGE = 500;
const LONG_PAUSE_MS = 25_000;
const PAUSE_MS_A_HOST = 4;
/** In a larger fleet signed statuses of hosts follow the audit log for a time after the last of them enrolled. */
const SETTLE_MS = 90_000;
/** How long an operator asks while nothing happens. */
const REST_MS = 5_000;
/** Messages over which CPU time of the bare publish is counted: of fewer it is a few ticks. */
const COUNTED_MESSAGES = 30_000;
const MOST_COUNTED_ROUNDS = 1_000;

/** Runs `work` with a control plane of its own, and leaves nothing behind. */
export async function withFleetRun<T>(
  size: FleetRunSize,
  { note, signal }: Pick<Context, 'note' | 'signal'>,
  work: (run: FleetRun) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const own = new PrivateControlPlane(folder);
  try {
    const up = await own.up();
    const controlPlane = new ControlPlane(await own.context());
    const counter = await RedisCounter.connect(own.dataDir);
    const run = new FleetRun(size, { own, up, controlPlane, counter, folder, note, signal });
    try {
      return await work(run);
    } finally {
      await run.stop();
      counter.close();
      controlPlane.close();
    }
  } finally {
    await own.down();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Context {
  readonly own: PrivateControlPlane;
  readonly up: RunRecord;
  readonly controlPlane: ControlPlane;
  readonly counter: RedisCounter;
  readonly folder: string;
  /** Takes what is going on or must be known. */
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** A fleet of simulated hosts and what is done with it, step by step. */
export class FleetRun {
  #fleet: SimFleet | undefined;

  constructor(
    private readonly size: FleetRunSize,
    private readonly parts: Context,
  ) {}

  /** Of the simulation, KiB for each host. */
  get residentKiB(): number {
    return this.#hosts.use.residentBytes / 1_024 / this.size.nodes;
  }

  /** What control plane and both Redis use while nothing is done. */
  async idle(windowMs: number): Promise<Idle> {
    const pids = ['control plane', 'redis', 'redis-events'].map((program) => this.#pid(program));
    const [controlPlane, ...redis] = await useOf(pids, windowMs, this.parts.signal);
    return { controlPlane: controlPlane ?? sumOf([]), redis: sumOf(redis) };
  }

  /** Of everything that takes part, while nothing is done. */
  async atRest(windowMs: number): Promise<CpuTimes> {
    const window = () => delay(windowMs, undefined, { signal: this.parts.signal });
    return (await withCpu(this.#shares, window)).cpuMs;
  }

  /** What a host's report and signed status take of Redis, sealed. */
  async reportBytes(): Promise<ReportBytes> {
    const { controlPlane, counter } = this.parts;
    return counter.bytesOf(await someNodeId(controlPlane));
  }

  async come(): Promise<void> {
    const { note, signal } = this.parts;
    const { nodes } = this.size;
    this.#fleet = await this.#start();
    const started = monotonicMs();
    const came = await this.#fleet.reached('reported', {}, { withinMs: COME_WITHIN_MS, signal });
    if (came.size < nodes)
      throw new CommandFailed(
        `${came.size} of ${nodes} hosts came: ${this.#fleet.troubles[0] ?? 'no reason was told'}`,
      );
    const seconds = (monotonicMs() - started) / 1_000;
    note(`${nodes} hosts enrolled and reported within ${seconds.toFixed(1)} s`);
    if (nodes > LARGE) await delay(SETTLE_MS, undefined, { signal });
    else await this.#pause();
  }

  /** The first round warms up. */
  async changes(hit: Hit): Promise<Rounds> {
    const { counter } = this.parts;
    const results: ChangeResult[] = [];
    const cpuMs: CpuTimes[] = [];
    const afterMs: CpuTimes[] = [];
    const redis: RedisWork[] = [];
    for (let number = 0; number <= this.size.rounds; number += 1) {
      const before = await counter.read();
      const { result, cpuMs: taken } = await withCpu(this.#shares, () => this.#apply(hit, number));
      const { cpuMs: after } = await withCpu(this.#shares, () => this.#pause());
      if (number === 0) continue;
      results.push(result);
      cpuMs.push(taken);
      afterMs.push(after);
      redis.push(workPerHost(before, await counter.read(), result.hosts));
    }
    return { hit, results, cpuMs, afterMs, pauseMs: this.#pauseMs, redis };
  }

  /**
   * When the last host has a change in hand, ms, of each round: hosts take it up when all have it, as if they had
   * processors of their own.
   */
  async arrivals(hit: Hit): Promise<readonly number[]> {
    const fleet = this.#hosts;
    const times: number[] = [];
    fleet.order('hold');
    for (let number = 0; number < this.size.rounds; number += 1) {
      const { hosts, lastArrival } = await this.#apply(hit, HELD + number);
      if (lastArrival === undefined)
        throw new CommandFailed(`a change came to none of ${hosts} hosts by a nudge`);
      times.push(lastArrival);
      await this.#pause();
    }
    fleet.order('go');
    return times;
  }

  /** REST while nothing happens. */
  async quiet(): Promise<Waits> {
    const { controlPlane, signal } = this.parts;
    const rest = () => delay(REST_MS, undefined, { signal });
    return (await restMeanwhile(controlPlane, rest)).waits;
  }

  /**
   * From the kill of Redis until each host hears nudges again and Redis has its report, what it costs, a change that is made
   * while it is away, and REST meanwhile.
   */
  async reconnect(): Promise<Return & { readonly rest: Waits }> {
    const pids = async () => (await this.parts.own.record()).children;
    const { redis = 0, 'redis-events': events = 0 } = await pids();
    const shares = { ...this.#shares, redis: [events] };
    const { result, waits } = await restMeanwhile(this.parts.controlPlane, () =>
      withCpu(shares, () => this.#comeBack(redis)),
    );
    // All that the new one has done was for the return.
    const anew = await cpuMsOf([(await pids())['redis'] ?? 0]);
    const cpuMs = { ...result.cpuMs, redis: result.cpuMs.redis + anew };
    return { ...result.result, cpuMs, rest: waits };
  }

  /** The baselines with as many subscribers; the fleet is gone then. */
  async bare(): Promise<Bare> {
    const { own, controlPlane } = this.parts;
    const { nodes } = this.size;
    await this.stop();
    const nodeId = await someNodeId(controlPlane);
    const publish = await RedisPublish.connect(own.dataDir, nodes, nodeId);
    try {
      const { redis = 0 } = (await own.record()).children;
      const publishes = await this.#exchange(() => publish.round(), redis);
      const answer = await this.#exchange(() => publish.answered(), redis);
      return { connectMs: publish.connectMs, publish: publishes, answer };
    } finally {
      publish.close();
    }
  }

  /** Ends the hosts. */
  async stop(): Promise<void> {
    await this.#fleet?.stop();
  }

  get #hosts(): SimFleet {
    if (this.#fleet === undefined) throw new Error('no host has come yet');
    return this.#fleet;
  }

  get #shares(): CpuShares {
    return {
      controlPlane: [this.#pid('control plane')],
      redis: [this.#pid('redis'), this.#pid('redis-events')],
      simulation: this.#hosts.pids,
    };
  }

  #pid(program: string): number {
    return this.parts.up.children[program] ?? 0;
  }

  async #start(): Promise<SimFleet> {
    const { controlPlane, folder, up } = this.parts;
    const { nodes } = this.size;
    return SimFleet.start(controlPlane, {
      labels: Array.from({ length: nodes }, (_, n) => labelsOf(n)),
      prefix: 'bench',
      processes: await processesFor(nodes),
      caFingerprint: up.caFingerprint,
      stateDir: join(folder, 'hosts'),
      failureProbability: 0,
      latencyMs: 0,
      slowShare: 0,
      slowMs: 0,
      stuckShare: 0,
      clockSkewMs: 0,
      seed: 1,
    });
  }

  get #pauseMs(): number {
    const { nodes } = this.size;
    return nodes > LARGE ? Math.max(LONG_PAUSE_MS, nodes * PAUSE_MS_A_HOST) : PAUSE_MS;
  }

  async #apply(hit: Hit, number: number): Promise<ChangeResult> {
    const result = await this.#change(hit, number, ROUND_WITHIN_MS);
    if (result.missing === 0) return result;
    const conditions = this.#hosts.conditions || 'none';
    throw new CommandFailed(
      `${result.missing} hosts did not report a change; conditions: ${conditions}`,
    );
  }

  #change({ key, isOne }: Hit, number: number, withinMs: number): Promise<ChangeResult> {
    const { controlPlane, signal } = this.parts;
    const label = [key, 'yes'] as const;
    const change = { policy: key, number, label, isOne, withinMs };
    return applyChange(this.#hosts, controlPlane, change, signal);
  }

  /** The first round warms up. */
  async #exchange(
    round: () => Promise<readonly number[]>,
    redisPid: number,
  ): Promise<Exchange & { readonly redis: RedisWork }> {
    const { nodes } = this.size;
    const { counter } = this.parts;
    const rounds: (readonly number[])[] = [];
    for (let number = 0; number <= this.size.rounds; number += 1) {
      const times = await round();
      if (number > 0) rounds.push(times);
    }
    const counted = Math.min(Math.ceil(COUNTED_MESSAGES / nodes), MOST_COUNTED_ROUNDS);
    const pids = [redisPid, process.pid];
    const [before, workBefore] = [await cpuMsOf(pids), await counter.read()];
    for (let number = 0; number < counted; number += 1) await round();
    const taken = (await cpuMsOf(pids)) - before;
    const messages = counted * nodes;
    const redis = workPerHost(workBefore, await counter.read(), messages);
    return { rounds, cpuMs: taken / messages, redis };
  }

  async #pause(): Promise<void> {
    await delay(this.#pauseMs, undefined, { signal: this.parts.signal });
  }

  async #comeBack(redisPid: number): Promise<Omit<Return, 'cpuMs'>> {
    const { note, signal } = this.parts;
    const fleet = this.#hosts;
    const since = monotonicMs();
    kill(redisPid, 'SIGKILL');
    const [back, { missing: unchanged }] = await Promise.all([
      fleet.reached('reported', { since }, { withinMs: BACK_WITHIN_MS, signal }),
      this.#change(HIT_PART, MEANWHILE, BACK_WITHIN_MS),
    ]);
    const missing = this.size.nodes - back.size;
    if (missing > 0)
      note(`${missing} hosts did not come back: ${fleet.conditions || 'no condition'}`);
    return { waitsMs: [...back.values()].map((at) => at - since), missing, unchanged };
  }
}

function labelsOf(n: number): Record<string, string> {
  const hits = [HIT_ALL, ...HIT_SOME].filter(({ isOne }) => isOne(n));
  return Object.fromEntries(hits.map(({ key }) => [key, 'yes']));
}

async function someNodeId(controlPlane: ControlPlane): Promise<string> {
  const { items } = await controlPlane.call<Page<NodeView>>('/v1/nodes', { query: { limit: '1' } });
  return items[0]?.nodeId ?? '';
}
