import { setTimeout as delay } from 'node:timers/promises';
import type { Alert, AuditLogEntryView, PolicyStatus, PolicyView } from '#contracts';
import { AppArmorParser } from '#testing';
import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import { check } from '../checker.js';
import { kernelNeverRead } from '../checks/hosts.js';
import { PROMPT_MS } from '../checks/rest.js';
import type { Rule, Violation } from '../checks/violation.js';
import { History, type Action, type Final, type Line, type Said } from '../history.js';
import { planOf, SPARE, type Plan, type Step } from '../plan.js';
import { Truth } from '../truth.js';
import { Cluster, type ClusterOptions } from './cluster.js';
import { FaultedHost } from './faulted-host.js';
import { Injector } from './injector.js';
import { Workload } from './workload.js';

const SETTLES_WITHIN_MS = 150_000;
const ASK_EVERY_MS = 1_000;
/** Every so many times that the control plane is asked. */
const LOOKS_FOR_ALERTS_AT = 5;
const TRIES_AT_REST = 3;

/** What differs from the product as it is shipped, and from the time that it may take to settle. */
export interface RunOptions extends ClusterOptions {
  /** In the place of what the seed would make. */
  readonly steps?: readonly Step[];
  readonly settlesWithinMs?: number;
}

export interface RunResult {
  readonly violations: readonly Violation[];
  /** Kinds of faults of which none was done, though many were planned and nothing is lacking here; so with looks into kernels. */
  readonly neverDone: readonly string[];
  readonly figures: string;
}

/** One run of a seed: the plan is carried out, everything gets its time, and the checker reads what was written down. */
export class FaultRun {
  readonly #hosts = new Map<string, FaultedHost>();
  readonly #injector: Injector;
  readonly #workload: Workload;
  readonly #direct: readonly ControlPlane[];
  /** Alerts that were in the store already. */
  readonly #seen = new Set<string>();
  #asked = 0;
  readonly #over = new AbortController();

  private constructor(
    private readonly cluster: Cluster,
    private readonly settlesWithinMs: number,
  ) {
    this.#injector = new Injector(cluster, this.#hosts);
    this.#direct = cluster.clients('direct');
    this.#workload = new Workload(cluster.clients('link'), cluster.history, this.#hosts);
  }

  static async of(
    seed: number,
    lengthMs: number,
    file: string,
    { settlesWithinMs = SETTLES_WITHIN_MS, steps, ...options }: RunOptions = {},
  ): Promise<RunResult> {
    const history = new History(file);
    const run = new FaultRun(await Cluster.start(history, options), settlesWithinMs);
    let violations: readonly Violation[] | undefined;
    try {
      const plan = planOf(seed, lengthMs, options.redis);
      await run.#carryOut(steps ? { ...plan, steps } : plan);
      violations = check(history.lines);
      const neverDone = [...run.#injector.tally.neverDone, ...kernelNeverRead(history.lines)];
      return { violations, neverDone, figures: run.#figures(history.lines) };
    } finally {
      run.#over.abort();
      for (const host of run.#hosts.values()) await host.stop();
      // What is wrong is looked for in the logs, unless it was planted.
      const isSought = options.mistake === undefined && violations?.length !== 0;
      await run.cluster.stop(isSought ? `${file}.logs` : undefined);
    }
  }

  async #carryOut({ first, steps, again }: Plan): Promise<void> {
    const features = AppArmorParser.find()?.features ?? '';
    for (const [index, name] of [...first, SPARE].entries()) {
      const host = new FaultedHost(name, this.cluster, features, index % 2 === 1);
      this.#hosts.set(name, host);
      await host.prepare();
    }
    await this.#ready();
    for (const node of first) await this.#workload.do({ kind: 'enrol', node });
    const watching = this.#watch();
    const begun = Date.now();
    const faults = steps.filter((step) => 'fault' in step);
    const work = steps.filter((step) => !('fault' in step));
    await Promise.all([faults, work].map((part) => this.#through(part, begun)));
    await this.#injector.end();
    await this.#ready();
    await this.#injector.injectMissing(again);
    await this.#injector.end();
    await this.#settle();
    this.#over.abort();
    await watching;
  }

  async #through(steps: readonly Step[], begun: number): Promise<void> {
    for (const step of steps) {
      await delay(Math.max(0, begun + step.at - Date.now()));
      if ('fault' in step) await this.#injector.inject(step.fault);
      else if ('do' in step) await this.#workload.do(step.do);
      else this.#hosts.get(step.deny)?.tap?.deny(step.resource);
    }
  }

  /** Asks past all links what the control plane says, for as long as the run goes on. */
  async #watch(): Promise<void> {
    for (let round = 0; !this.#over.signal.aborted; round += 1) {
      const said = await this.#policies().catch(() => []);
      for (const each of said) this.cluster.history.write({ type: 'said', ...each });
      if (round % LOOKS_FOR_ALERTS_AT === 0) await this.#noteAlerts().catch(() => undefined);
      await delay(ASK_EVERY_MS, undefined, { signal: this.#over.signal }).catch(() => undefined);
    }
  }

  async #noteAlerts(): Promise<void> {
    for (const alert of await this.#alerts()) {
      const name = `${alert.node} ${alert.resource}`;
      if (this.#seen.has(name)) continue;
      this.#seen.add(name);
      this.cluster.history.write({ type: 'stored', ...alert });
    }
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + SETTLES_WITHIN_MS;
    for (const controlPlane of this.#direct)
      for (;;) {
        const answer = await controlPlane.answer('/readyz').catch(() => undefined);
        if (answer?.status === 200 && hasShards(answer.body)) break;
        if (Date.now() > deadline) {
          const said = answer ? JSON.stringify(answer.body) : 'it does not answer';
          throw new Error(
            `the control plane at ${controlPlane.url} does not become ready: ${said}`,
          );
        }
        await delay(100);
      }
  }

  /** One control plane, another one each time. */
  #anyone(): ControlPlane {
    const found = this.#direct[(this.#asked += 1) % this.#direct.length];
    if (!found) throw new Error('there is no control plane');
    return found;
  }

  /** What is stored, as one control plane tells it; where it lies in files what at least one has, each once. */
  async #stored<T>(path: string, id: (item: T) => string | number): Promise<readonly T[]> {
    const found = new Map<string | number, T[]>();
    for (const controlPlane of this.cluster.postgres ? [this.#anyone()] : this.#direct) {
      const items = await controlPlane.all<T>(path, { limit: '500' });
      for (const [key, same] of Map.groupBy(items, id))
        if (same.length > (found.get(key)?.length ?? 0)) found.set(key, same);
    }
    return [...found.values()].flat();
  }

  /** To its rest, from which a last change is made; what is said then is the end of the history. */
  async #settle(): Promise<void> {
    await this.#ready();
    await this.#workload.finish();
    let settled = await this.#untilSettled();
    if (settled.isSettled) {
      await this.#changeAtRest();
      settled = await this.#untilSettled();
    }
    this.cluster.history.write({ type: 'quiet', final: settled.final });
  }

  /** Until nobody is behind, or the time is over. */
  async #untilSettled(): Promise<{ readonly final: Final; readonly isSettled: boolean }> {
    const deadline = Date.now() + this.settlesWithinMs;
    for (;;) {
      await this.cluster.log.caughtUp(SETTLES_WITHIN_MS);
      const final = await this.#final();
      const isSettled = !this.#breaks(['settled', 'apart', 'alerts', 'auditLog'], final);
      if (isSettled || Date.now() > deadline) return { final, isSettled };
      await delay(ASK_EVERY_MS);
    }
  }

  #breaks(rules: readonly Rule[], final: Final): boolean {
    const { lines } = this.cluster.history;
    const end: Line = { at: Date.now(), type: 'quiet', final };
    return check([...lines, end]).some(({ rule }) => rules.includes(rule));
  }

  /** Until each host is subscribed again, after faults that it had to wait out, or the time is over. */
  async #allHear(): Promise<void> {
    const truth = new Truth(this.cluster.history.lines);
    const hosts = truth.placed();
    const deadline = Date.now() + this.settlesWithinMs;
    for (;;) {
      const hear = await this.cluster.redis.listeners(hosts).catch(() => 0);
      if (hear === hosts.length || Date.now() > deadline) return;
      await delay(ASK_EVERY_MS);
    }
  }

  /** One for each host, which has one of two labels, each asked of another control plane. */
  async #changeAtRest(): Promise<void> {
    const { history } = this.cluster;
    await this.#allHear();
    history.write({ type: 'rest' });
    for (const env of ['prod', 'dev']) {
      const [policy, marker, labels] = [`rest-${env}`, `/usr/bin/rest-${env}`, { env }];
      const apply: Action = { kind: 'apply', policy, marker, labels };
      for (let tries = 1; tries <= TRIES_AT_REST; tries += 1)
        if ((await this.#workload.do(apply)) !== 'unknown') break;
    }
    await this.cluster.log.caughtUp(SETTLES_WITHIN_MS);
    const deadline = Date.now() + PROMPT_MS;
    const isBehind = (): boolean => check(history.lines).some(({ rule }) => rule === 'prompt');
    while (isBehind() && Date.now() < deadline) await delay(100);
  }

  async #final(): Promise<Final> {
    const auditLog = await this.#stored<AuditLogEntryView>('/v1/audit-log', ({ hash }) => hash);
    const hosts = [...this.#hosts.values()].flatMap(({ tap }) => (tap?.last ? [tap.last] : []));
    return {
      policies: await this.#policies(),
      hosts,
      auditLog: auditLog.toSorted((a, b) => a.seq - b.seq),
      alerts: await this.#alerts(),
      held: await this.cluster.redis.held(),
    };
  }

  /** Denials that are stored. */
  async #alerts(): Promise<Final['alerts']> {
    const alerts = await this.#stored<Alert>('/v1/alerts', ({ NodeID, EventID }) => {
      return `${NodeID} ${EventID}`;
    });
    return alerts
      .filter(({ Type }) => Type === 'MatchedHostPolicy')
      .map(({ Node: node, Resource: resource }) => ({ node, resource }));
  }

  async #policies(): Promise<Said[]> {
    const controlPlane = this.#anyone();
    const policies = await controlPlane.all<PolicyView>('/v1/policies');
    return Promise.all(
      policies.map(async ({ name }) => {
        const status = await controlPlane.call<PolicyStatus>(`/v1/policies/${name}/status`);
        const [revision, nodes] = [Number(status.revision), status.nodes.map(saidOf)];
        return { policy: name, revision, everywhere: status.enforcedEverywhere, nodes };
      }),
    );
  }

  #figures(lines: readonly Line[]): string {
    const count = (type: Line['type']): number => lines.filter((line) => line.type === type).length;
    const { ok, fail, unknown } = this.#workload.counts;
    const moves = new Truth(lines).commits.filter(
      ({ entry }) => entry?.action === 'node.redis-moved',
    ).length;
    return [
      this.#injector.tally.words,
      `${ok + fail + unknown} operations (${ok} ok, ${fail} refused, ${unknown} unknown)`,
      `${count('committed')} revisions, ${count('host')} swaps and states of hosts, ${count('offered')} assignments, ${count('said')} statuses, ${count('denied')} denials checked`,
      ...(this.cluster.redis.layout === 'shards' ? [`${moves} moves between two Redis`] : []),
    ].join('; ');
  }
}

/** It is ready without a Redis that a share of the hosts is on. */
function hasShards(body: unknown): boolean {
  const { checks } = body as { readonly checks: readonly { name: string; ok: boolean }[] };
  return checks.every(({ name, ok }) => name !== 'redis-shards' || ok);
}

function saidOf({ node, state, generation }: PolicyStatus['nodes'][number]) {
  return { node, state, ...(generation === undefined ? {} : { generation: Number(generation) }) };
}
