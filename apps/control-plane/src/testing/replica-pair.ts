import { eventually } from './eventually.js';
import type { ReplicaProcess, ReplicaVersion } from './replica-process.js';
import type { Rest } from './rest.js';
import { Rig } from './rig.js';

/** Two control planes as processes on one etcd and one Redis, with stores of their own. */
export class ReplicaPair {
  private constructor(
    readonly rig: Rig,
    readonly processes: readonly [ReplicaProcess, ReplicaProcess],
    readonly rests: readonly [Rest, Rest],
  ) {}

  /** Both ready, and each knows of the other; the second of this version. */
  static async start(version?: ReplicaVersion): Promise<ReplicaPair> {
    const rig = await Rig.prepare();
    try {
      const [one, other] = [await rig.startProcess(), await rig.startProcess(version)];
      const rests = [rig.restOf(one.url), rig.restOf(other.url)] as const;
      const pair = new ReplicaPair(rig, [one, other], rests);
      await pair.replicasAre(2);
      await pair.settled();
      return pair;
    } catch (error) {
      await rig.stop();
      throw error;
    }
  }

  /** The client of one of both, for even and odd numbers. */
  rest(index: number): Rest {
    return this.rests[index % 2 === 0 ? 0 : 1];
  }

  /** One of both, for even and odd numbers. */
  process(index: number): ReplicaProcess {
    return this.processes[index % 2 === 0 ? 0 : 1];
  }

  /** Waits until these have taken in everything and owe no host anything. */
  async settled(rests: readonly Rest[] = this.rests): Promise<void> {
    for (const rest of rests)
      await eventually('nothing waits', async () => {
        const answer = await rest.get('/readyz').catch(() => undefined);
        return answer?.status === 200 && answer.text.includes('"0 hosts wait');
      });
  }

  /** Waits until these divide the hosts among so many. */
  async replicasAre(count: number, rests: readonly Rest[] = this.rests): Promise<void> {
    for (const rest of rests)
      await eventually(`${count} replicas`, async () => {
        return (await replicasSeenBy(rest).catch(() => 0)) === count;
      });
  }

  /** Assignments that each has written since it started. */
  written(): Promise<readonly [number, number]> {
    const [one, other] = this.rests;
    return Promise.all([writtenBy(one), writtenBy(other)]);
  }
}

/** How many this one divides the hosts among. */
export function replicasSeenBy(rest: Rest): Promise<number> {
  return metric(rest, 'hostward_replicas');
}

/** Assignments that a replica has written since it started. */
export function writtenBy(rest: Rest): Promise<number> {
  return metric(rest, 'hostward_deliveries_total{outcome="written"}');
}

async function metric(rest: Rest, name: string): Promise<number> {
  const { text } = await rest.get('/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}
