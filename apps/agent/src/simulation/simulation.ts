import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type {
  SimulatedHostPlan,
  SimulatedMark,
  SimulationNews,
  SimulationOrder,
  SimulationPlan,
} from '#contracts';
import { Log } from '#observability';
import { parseConfig } from '../config/agent-config.js';
import { enrolledHost } from '../enrollment/enrolled-host.js';
import { errorMessage } from '../config/error-facts.js';
import { EnrollmentRefused } from '../enrollment/enroll-answer.js';
import { enroll } from '../enrollment/enroll.js';
import { SystemClock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { HostChance } from './host-chance.js';
import { NudgesFirst } from './nudges-first.js';
import { SimulatedHost } from './simulated-host.js';

const TELL_EVERY_MS = 50;
const USE_EVERY_MS = 1_000;
/** The control plane takes as many enrolments a second from one address as it says; who is too many comes again. */
const BUSY: readonly number[] = [429, 503];
const ATTEMPTS = 200;
const AGAIN_BASE_MS = 500;
const AGAIN_SPREAD_MS = 1_500;
const STOP_AT_ONCE = 256;

/** The clock of a simulated host. */
class SkewedClock extends SystemClock {
  constructor(private readonly skewMs: number) {
    super();
  }

  override now(): number {
    return super.now() + this.skewMs;
  }
}

/**
 * Runs the hosts of the plan that comes as the first line of `input` until `input` ends, and writes what happens to them
 * as lines of JSON. Throws for a plan that is none.
 */
export async function simulate(
  input: NodeJS.ReadableStream,
  write: (line: string) => void,
): Promise<void> {
  const lines = createInterface({ input });
  const simulation = new Simulation(await firstLine(lines), (news) => write(JSON.stringify(news)));
  const ended = new Promise<void>((resolve) => lines.once('close', () => resolve()));
  lines.on('line', (line) => {
    simulation.take(line as SimulationOrder);
  });
  simulation.start();
  await ended;
  await simulation.stop();
}

async function firstLine(lines: Interface): Promise<SimulationPlan> {
  const text = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve);
    lines.once('close', () => reject(new Error('no plan came on standard input')));
  });
  const plan = JSON.parse(text) as SimulationPlan;
  if (plan.v !== 1 || !Array.isArray(plan.hosts)) throw new Error('the plan is of another version');
  return plan;
}

/** The hosts of one process. */
class Simulation {
  readonly #hosts = new Map<number, SimulatedHost>();
  readonly #stop = new AbortController();
  /** A host's log would be read by nobody, and thousands of them would hide everything else. */
  readonly #log = new Log({ write: () => undefined });
  readonly #nudgesFirst = new NudgesFirst();
  #marks: SimulatedMark[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #timers: readonly NodeJS.Timeout[] = [];

  constructor(
    private readonly plan: SimulationPlan,
    private readonly tell: (news: SimulationNews) => void,
  ) {}

  /** Enrols and starts the hosts, so many at a time as the plan says. */
  start(): void {
    this.#timers = [
      setInterval(() => this.#tellMarks(), TELL_EVERY_MS),
      setInterval(() => this.#tellUse(), USE_EVERY_MS),
    ];
    const waiting = this.plan.hosts.entries();
    const worker = async (): Promise<void> => {
      for (const [index, host] of waiting) {
        if (this.#stop.signal.aborted) return;
        await this.#join(index, host);
      }
    };
    this.#running = Promise.all(Array.from({ length: this.plan.enrolAtOnce }, worker));
  }

  take(order: SimulationOrder): void {
    if (order === 'cut') for (const host of this.#hosts.values()) host.cut();
    else this.#nudgesFirst.isHolding = order === 'hold';
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const timer of this.#timers) clearInterval(timer);
    await this.#running;
    const hosts = this.#hosts.values();
    const worker = async (): Promise<void> => {
      for (const host of hosts) await host.stop();
    };
    await Promise.all(Array.from({ length: STOP_AT_ONCE }, worker));
  }

  async #join(index: number, plan: SimulatedHostPlan): Promise<void> {
    try {
      const host = await this.#enrolled(index, plan);
      if (host !== undefined) this.#hosts.set(index, host);
    } catch (cause) {
      this.tell({ kind: 'trouble', host: index, message: `${plan.name}: ${errorMessage(cause)}` });
    }
  }

  async #enrolled(index: number, plan: SimulatedHostPlan): Promise<SimulatedHost | undefined> {
    const { url, caFingerprint, failureProbability, latencyMs } = this.plan;
    const { name, token, stateDir, skewMs, slowMs, stuck, seed } = plan;
    const text = stringify({ controlPlane: { url, caFingerprint }, stateDir });
    const config = parseConfig(text, name);
    const tell = (kind: SimulatedMark['kind'], generation?: string): void => {
      this.#marks.push({ host: index, kind, at: monotonicMs(), generation });
    };
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      try {
        await enroll({ config, token, name, signal: this.#stop.signal });
        break;
      } catch (cause) {
        if (!mayPass(cause) || attempt >= ATTEMPTS) throw cause;
        const waitMs = againAfterMs(cause);
        await delay(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
    if (this.#stop.signal.aborted) return undefined;
    tell('enrolled');
    const around = new Context(new SkewedClock(skewMs), this.#log);
    const host = await enrolledHost(config);
    const faults = { failureProbability, slowMs, stuck, chance: new HostChance(seed) };
    const nudgesFirst = this.#nudgesFirst;
    return SimulatedHost.start({ config, host, around, faults, latencyMs, nudgesFirst, tell });
  }

  #tellMarks(): void {
    const marks = this.#marks;
    if (marks.length === 0) return;
    this.#marks = [];
    this.tell({ kind: 'marks', marks });
  }

  /** On how many hosts each is; no list of them, since thousands are asked every second and most have none. */
  #conditions(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { conditions } of this.#hosts.values())
      for (const name of conditions) counts[name] = (counts[name] ?? 0) + 1;
    return counts;
  }

  #tellUse(): void {
    const { user, system } = process.cpuUsage();
    this.tell({
      kind: 'use',
      hosts: this.#hosts.size,
      residentBytes: process.memoryUsage.rss(),
      cpuMs: (user + system) / 1_000,
      conditions: this.#conditions(),
    });
  }
}

/** As late as the control plane says, or soon where it said nothing; by chance later, since thousands are told the same. */
function againAfterMs(cause: unknown): number {
  const { retryAfterMs = AGAIN_BASE_MS } = cause instanceof EnrollmentRefused ? cause : {};
  return retryAfterMs + Math.random() * Math.max(AGAIN_SPREAD_MS, retryAfterMs);
}

/** A control plane that does not answer in time, or is busy, may do so later. */
function mayPass(cause: unknown): boolean {
  return !(cause instanceof EnrollmentRefused) || BUSY.includes(cause.status);
}

/** One clock for all processes of the machine. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
