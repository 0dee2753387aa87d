import { setTimeout as delay } from 'node:timers/promises';
import type { NodeView } from '#contracts';
import { applyRound } from './apply-round.js';
import type { BenchFleet } from './bench-fleet.js';
import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';
import { RedisPublish } from './redis-publish.js';
import { median, percentile, worst } from '../../../apps/cli/src/sim/samples.js';

const FLEET_AIM_MS = 500;
/** KVMService, 25 agents, measured elsewhere (its last agent got the policy after this time). */
const KVMSERVICE_25_MS = 13_900;
/** Agents confirm a change within four seconds after it; a fleet that still does so is not an idle one. */
const PAUSE_MS = 4_200;

/** Times of each round in order: of the hosts' acks, and of the bare publishes. */
interface Rounds {
  readonly acks: readonly (readonly number[])[];
  readonly publishes: readonly (readonly number[])[];
}

/** REST apply to verified ack on the one agent that runs. */
export async function oneAgentBench(
  report: BenchReport,
  fleet: BenchFleet,
  rounds: number,
  signal: AbortSignal,
): Promise<void> {
  const { acks, publishes } = await deliveryRounds(fleet, rounds, signal);
  const [samples, bare] = [acks.flat(), publishes.flat()];
  report.case(
    'one-agent',
    `REST apply to verified ack, 1 agent process, ${rounds} applies;\n` +
      'baseline: bare Redis publish to a subscriber, same Redis and size',
    [
      timed('p50', median(samples), median(bare)),
      timed('p99', percentile(samples, 99), percentile(bare, 99)),
      timed('worst', worst(samples), worst(bare)),
    ],
  );
}

/** The same on all agents that run. */
export async function fleetBench(
  report: BenchReport,
  fleet: BenchFleet,
  rounds: number,
  signal: AbortSignal,
): Promise<void> {
  const hosts = fleet.nodes.length;
  const { acks, publishes } = await deliveryRounds(fleet, rounds, signal);
  const firsts = (of: Rounds['acks']): number => median(of.map((round) => round[0] ?? 0));
  const lasts = (of: Rounds['acks']): number[] => of.map((round) => round.at(-1) ?? 0);
  const last = median(lasts(acks));
  report.case(
    'fleet',
    `REST apply to verified ack, ${hosts} agent processes, ${rounds} applies;\n` +
      `baseline: bare Redis publish to ${hosts} subscribers`,
    [
      timed('first agent, median of rounds', firsts(acks), firsts(publishes)),
      timed('p50 of agents', median(acks.flat()), median(publishes.flat())),
      timed('p99 of agents', percentile(acks.flat(), 99), percentile(publishes.flat(), 99)),
      timed('last agent, median of rounds', last, median(lasts(publishes))),
      timed('last agent, worst round', worst(acks.flat()), worst(publishes.flat())),
      timed('KVMService, last of 25 (not measured here)', KVMSERVICE_25_MS, last),
    ],
  );
  report.aim(`${hosts} agents have acknowledged (median)`, last, FLEET_AIM_MS, 'ms');
}

/** Applies and publishes by turns, so that both meet the same noise. The first round of each warms up. */
async function deliveryRounds(
  fleet: BenchFleet,
  rounds: number,
  signal: AbortSignal,
): Promise<Rounds> {
  const { controlPlane, nodes, dataDir } = fleet;
  const acks: (readonly number[])[] = [];
  const publishes: (readonly number[])[] = [];
  const publish = await RedisPublish.connect(dataDir, nodes.length, await someNodeId(fleet));
  try {
    for (let round = 0; round <= rounds; round += 1) {
      const pathNumber = nodes.length * 10_000 + round;
      const acked = await applyRound(controlPlane, pathNumber, nodes.length, signal);
      await delay(PAUSE_MS, undefined, { signal });
      const published = await publish.round();
      if (round === 0) continue;
      acks.push(acked);
      publishes.push(published);
    }
  } finally {
    publish.close();
  }
  return { acks, publishes };
}

async function someNodeId({ controlPlane }: BenchFleet): Promise<string> {
  const [node] = await controlPlane.all<NodeView>('/v1/nodes');
  return node?.nodeId ?? '';
}

function timed(metric: string, value: number, baseline: number): Measurement {
  return { metric, value, unit: 'ms', baseline };
}
