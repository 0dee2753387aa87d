import { reportEveryMs, returnWithinMs, SeededRandom } from '#contracts';
import { backoffMs, backoffWithin, DEFAULT_COMMAND_TIMEOUT_MS as PATIENCE_MS } from '#redis';
import { percentile } from '../../../apps/cli/src/sim/samples.js';
import { TimeHeap } from './time-heap.js';

/** What one host costs, in ms of the one thread that does it. */
export interface HostCosts {
  /** A control plane: what it seals and writes for the host at a change. */
  readonly write: number;
  /** Redis: that write, and the nudge. */
  readonly redisWrite: number;
  /** Redis: the host's report, and a control plane's reading of it. */
  readonly redisReport: number;
  /** Each control plane: reading the report. */
  readonly report: number;
  /** The host itself, on a processor of its own: from the nudge until it has reported. */
  readonly host: number;
  /** Redis: a handshake and login. */
  readonly connect: number;
  /** A control plane: the host's user put back into a Redis that lost all. */
  readonly user: number;
}

/** A fleet and what serves it. */
export interface ScaleCell {
  readonly hosts: number;
  /** Redis that the hosts are split over. */
  readonly redis: number;
  readonly controlPlanes: number;
}

/** ms from the commit. */
export interface ChangeTimes {
  readonly lastDelivery: number;
  readonly ackP50: number;
  readonly ackP99: number;
  readonly ackLast: number;
}

/** ms from when an empty Redis serves again; Infinity: not within ten minutes. */
export interface ReturnTimes {
  readonly p50: number;
  readonly p99: number;
  readonly last: number;
  /** Connections that were begun for each that was made. */
  readonly tries: number;
}

/** Across a country and back again is two of these. */
const ONE_WAY_MS = 20;

/** Does one thing after the other, in the order in which they come. */
class Worker {
  #free = 0;

  /** When what comes at `time` and takes `ms` is done. */
  take(time: number, ms: number): number {
    this.#free = Math.max(this.#free, time) + ms;
    return this.#free;
  }

  /** How long what comes at `time` waits. */
  wait(time: number): number {
    return Math.max(0, this.#free - time);
  }
}

const LIMIT_MS = 600_000;
/** Tries that were in vain before Redis serves again: an outage of some minutes, after which each waits as long as it may. */
const AWAY = 10;

const STEPS = 3;
const [NUDGE, REPORT, READ] = [0, 1, 2] as const;

/**
 * A change that hits all hosts, event by event: control planes share the writing, which goes first, and each reads every
 * report; each Redis serves its hosts alone; hosts work side by side.
 */
export function changeOf(cell: ScaleCell, costs: HostCosts, seed: number): ChangeTimes {
  const { hosts, redis, controlPlanes } = cell;
  const random = randomOf(seed);
  const planes = workers(controlPlanes);
  const stores = workers(redis);
  const heap = new TimeHeap();
  const acks = new Float64Array(hosts);
  let lastDelivery = 0;
  for (let host = 0; host < hosts; host += 1)
    heap.push(at(planes, host % controlPlanes).take(0, costs.write), host * STEPS + NUDGE);
  for (let event = heap.pop(); event; event = heap.pop()) {
    const { time, value } = event;
    const host = Math.floor(value / STEPS);
    const store = at(stores, Math.floor(host / controlPlanes) % redis);
    switch (value % STEPS) {
      case NUDGE: {
        const told = store.take(time, costs.redisWrite) + ONE_WAY_MS;
        const inForce = told + costs.host * (0.5 + random());
        lastDelivery = Math.max(lastDelivery, inForce);
        heap.push(inForce + ONE_WAY_MS, host * STEPS + REPORT);
        break;
      }
      case REPORT:
        heap.push(store.take(time, costs.redisReport), host * STEPS + READ);
        break;
      default:
        for (const [index, plane] of planes.entries()) {
          const done = plane.take(time, costs.report);
          if (index === 0) acks[host] = done; // the one that is asked
        }
    }
  }
  const all = [...acks];
  const [ackP50, ackP99, ackLast] = [50, 99, 100].map((percent) => percentile(all, percent));
  return { lastDelivery, ackP50: ackP50 ?? 0, ackP99: ackP99 ?? 0, ackLast: ackLast ?? 0 };
}

/**
 * All hosts come back to Redis that lost everything: users are put back one after the other, by each control plane for its
 * share; a host tries as the product's client does, gives up as it does, and what Redis did for it until then was in vain.
 */
export function returnOf(cell: ScaleCell, costs: HostCosts, seed: number): ReturnTimes {
  const { hosts, redis, controlPlanes } = cell;
  const random = randomOf(seed);
  const backoff = { ...backoffWithin(returnWithinMs(reportEveryMs(hosts))), random };
  const wait = (failures: number): number => backoffMs(failures, backoff);
  const stores = workers(redis);
  const heap = new TimeHeap();
  const failures = new Uint8Array(hosts).fill(AWAY);
  const back = new Float64Array(hosts).fill(Infinity);
  let tries = 0;
  for (let host = 0; host < hosts; host += 1) heap.push(wait(AWAY), host);
  for (let event = heap.pop(); event; event = heap.pop()) {
    const { time, value: host } = event;
    if (time > LIMIT_MS) break;
    const store = at(stores, host % redis);
    const userAt = Math.ceil((host + 1) / controlPlanes) * costs.user;
    tries += 1;
    const waits = store.wait(time);
    const done = store.take(time, costs.connect);
    if (waits <= PATIENCE_MS && done >= userAt) {
      back[host] = done;
      continue;
    }
    failures[host] = Math.min(20, (failures[host] ?? 0) + 1);
    const gaveUp = Math.min(done, time + PATIENCE_MS);
    heap.push(gaveUp + wait(failures[host] ?? 0), host);
  }
  const all = [...back];
  const [p50, p99, last] = [50, 99, 100].map((percent) => percentile(all, percent));
  return { p50: p50 ?? 0, p99: p99 ?? 0, last: last ?? 0, tries: tries / Math.max(1, hosts) };
}

function workers(count: number): readonly Worker[] {
  return Array.from({ length: count }, () => new Worker());
}

function at(list: readonly Worker[], index: number): Worker {
  const worker = list[index];
  if (!worker) throw new RangeError(`there is no worker ${index} of ${list.length}`);
  return worker;
}

/** Uniform in [0, 1). */
function randomOf(seed: number): () => number {
  const source = new SeededRandom(seed);
  return () => source.fraction();
}
