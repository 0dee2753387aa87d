import type { Nudge, SimulatedMarkKind } from '#contracts';
import {
  connectRedis,
  type HostwardRedisTransport,
  type RedisConnection,
  type RedisConnectionOptions,
} from '#redis';
import { clientOf, reporterOf, transportOf, type AgentSetting } from '../runtime/agent-parts.js';
import { AgentLoops } from '../runtime/agent.loops.js';
import type { EnrolledHost } from '../enrollment/enrolled-host.js';
import { Confirmation } from '../delivery/confirmation.js';
import { Courier } from '../delivery/courier.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { CHECK_PATTERN, NUDGE_PATTERN, NudgeController } from '../runtime/nudge.controller.js';
import { AuthorityWatch } from '../enrollment/authority-watch.js';
import { Renewal } from '../enrollment/renewal.js';
import { ControlPlaneReachability } from '../health/reachability.js';
import { Redirects } from '../redirect/redirects.js';
import { AuditLogHeads } from '../reporting/audit-log-heads.js';
import { ReportPace } from '../health/report-pace.js';
import { SignedStatuses } from '../reporting/signed-statuses.js';
import { DeliveryVerifier } from '../trust/delivery-verifier.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { NudgesFirst } from './nudges-first.js';
import { SimulatedSensor, type SimulatedFaults } from './simulated-sensor.js';
import { ToldLink } from './told-link.js';

/** A real host's processor is its own; here thousands wait for one, and what was given up would only be done again. */
const PATIENCE_MS = 60_000;

/** A host's setting, what goes wrong on it, and who is told what happens to it. */
export interface SimulatedHostSetting extends Pick<AgentSetting, 'config' | 'host' | 'around'> {
  readonly faults: SimulatedFaults;
  /** Before a nudge is acted on. */
  readonly latencyMs: number;
  /** Of all hosts of the process. */
  readonly nudgesFirst: NudgesFirst;
  readonly tell: (kind: SimulatedMarkKind, generation?: string) => void;
}

/**
 * A host without a kernel: the parts of the agent, put together without Nest so that thousands fit into one process.
 * What a kernel would have to begin is left out (alerts and their spool), and what is only for a person on the host
 * (health.json; seen heads of the audit log are not kept on disk).
 */
export class SimulatedHost {
  readonly #stop = new AbortController();
  #toldGeneration: string | undefined;
  #hears = false;

  private constructor(
    private readonly setting: SimulatedHostSetting,
    private readonly sensor: SimulatedSensor,
    private readonly connections: readonly RedisConnection[],
    private readonly parts: {
      readonly loops: AgentLoops;
      readonly transport: HostwardRedisTransport;
    },
  ) {}

  /** Starts all parts; Redis and the control plane may be away. */
  static async start(setting: SimulatedHostSetting): Promise<SimulatedHost> {
    const { around, faults, nudgesFirst } = setting;
    const host = patient(setting.host);
    const redis = connectRedis(host.redis);
    const redisEvents = host.redisEvents ? connectRedis(host.redisEvents) : redis;
    const link = new ToldLink(redis, host.trust.nodeId, redisEvents);
    const sensor = new SimulatedSensor(new DeliveryVerifier(host.trust), faults, around.clock);
    const sensors = new SensorWatch(sensor, around);
    const keys = await ChannelKeys.open(host.files.channelKey, host.trust, around);
    const courier = new Courier(link, sensors, keys, around);
    const client = clientOf(setting, PATIENCE_MS);
    const renewal = new Renewal(host, client, around);
    const authorities = new AuthorityWatch(host, client, renewal, around);
    const heads = await AuditLogHeads.open(undefined, () => keys.root, around);
    const { signedStatus } = setting.config;
    const { signingKey } = host.files;
    const signedStatuses = await SignedStatuses.open(
      signingKey,
      host.trust.nodeId,
      signedStatus,
      around,
    );
    const redirects = new StaysHere();
    const pace = ReportPace.of(keys, link, around);
    const reach = new ControlPlaneReachability(client, host.redis, pace, around);
    const spool = { status: () => ({ bytes: 0, waiting: 0, lost: 0 }) };
    const reporter = reporterOf(setting, {
      link,
      keys,
      sensors,
      courier,
      spool,
      telemetryEvents: { lost: 0 },
      heads,
      signedStatuses,
      upgrade: { rolledBack: undefined },
      redirects,
      pace,
    });
    const confirmation = new Confirmation(sensors, reach, around);
    const loops = new AgentLoops(
      {
        courier,
        confirmation: {
          attempt: () => nudgesFirst.turn().then(() => confirmation.attempt()),
          afterSwap: () => nudgesFirst.turn().then(() => confirmation.afterSwap()),
        },
        sensors,
        reporter: {
          report: () => nudgesFirst.turn().then(() => reporter.report()),
          reconnected: () => nudgesFirst.turn().then(() => reporter.reconnected()),
          look: () => nudgesFirst.turn().then(() => reporter.look()),
          intervalMs: () => reporter.intervalMs(),
        },
        pace,
        renewal,
        authorities,
        redirects,
        ...WITHOUT_ALERTS,
      },
      around,
    );
    const nudges = new NudgeController(courier, heads, pace, authorities, redirects, around);
    const transport = transportOf(host, {
      shared: redis,
      onSubscribed: () => {
        self.#listens();
        loops.reconnected();
      },
    });
    const connections = [...new Set([redis, redisEvents])];
    const self = new SimulatedHost(setting, sensor, connections, { loops, transport });
    link.onWritten = () => self.#written(sensors.sighting?.state.assignmentVersion?.generation);
    courier.onAttempt((swapped) => self.#attempted(swapped, sensors));
    transport.addHandler(NUDGE_PATTERN, (nudge: unknown) => self.#nudged(nudges, nudge), true);
    transport.addHandler(CHECK_PATTERN, (check: unknown) => nudges.asked(check), true);
    loops.start();
    // As the agent, which waits for its first subscription no longer than a moment.
    await transport.listen(() => undefined);
    return self;
  }

  /** Names of what is wrong around it now. */
  get conditions(): Iterable<string> {
    return this.setting.around.conditions.names();
  }

  /** Drops all connections at once; they come back by themselves. */
  cut(): void {
    for (const connection of this.connections) connection.reconnect();
  }

  /** Ends all parts. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.parts.transport.close();
    await this.sensor.close();
    for (const connection of this.connections) connection.close();
    await this.parts.loops.stop();
  }

  async #nudged(nudges: NudgeController, nudge: unknown): Promise<void> {
    const { latencyMs, around, faults, nudgesFirst } = this.setting;
    if (latencyMs > 0)
      await around.clock.wait(faults.chance.latencyMs(latencyMs), this.#stop.signal);
    nudgesFirst.came();
    if (nudgesFirst.isHolding) {
      this.setting.tell('arrived', generationOf(nudge));
      await nudgesFirst.turn();
    }
    await nudges.nudged(nudge);
  }

  #listens(): void {
    this.#hears = true;
    this.setting.tell('listening');
  }

  #attempted(swapped: boolean, sensors: SensorWatch): void {
    const { assignmentVersion, highest } = sensors.sighting?.state ?? {};
    if (swapped) this.setting.tell('in-force', assignmentVersion?.generation);
    else this.setting.tell('failed', highest?.generation);
  }

  /** The first report about a generation, and the first one since the host hears nudges (again). */
  #written(generation: string | undefined): void {
    if (generation === this.#toldGeneration && !this.#hears) return;
    this.#toldGeneration = generation;
    this.#hears = false;
    this.setting.tell('reported', generation);
  }
}

function generationOf(nudge: unknown): string | undefined {
  return (nudge as Partial<Nudge> | undefined)?.assignmentVersion?.generation;
}

function patient(host: EnrolledHost): EnrolledHost {
  const of = (redis: RedisConnectionOptions) => ({
    ...redis,
    commandTimeoutMs: PATIENCE_MS,
    answerTimeoutMs: PATIENCE_MS,
    connectTimeoutMs: PATIENCE_MS,
  });
  const redisEvents = host.redisEvents && of(host.redisEvents);
  return { ...host, redis: of(host.redis), redisEvents };
}

/** A simulated fleet is of one control plane: it follows no redirect. */
class StaysHere extends Redirects {
  override readonly report = undefined;
  override attempt(): Promise<void> {
    return Promise.resolve();
  }
  override hinted(): Promise<void> {
    return Promise.resolve();
  }
  override intervalMs(): number {
    return 3_600_000;
  }
  override onChange(): void {}
  override onMoved(): void {}
}

/** Without a kernel nothing is denied, nobody reads the health of a host that is not there, and no package upgrades it. */
const WITHOUT_ALERTS: Pick<
  ConstructorParameters<typeof AgentLoops>[0],
  'pump' | 'shipper' | 'telemetryEvents' | 'health' | 'upgrade'
> = {
  pump: { run: () => Promise.resolve(), onSpooled: () => undefined },
  shipper: {
    ship: () => Promise.resolve(),
    intervalMs: () => 3_600_000,
    reconnected: () => Promise.resolve(),
  },
  telemetryEvents: { ship: () => Promise.resolve(), intervalMs: () => 3_600_000 },
  health: { write: () => Promise.resolve() },
  upgrade: { refresh: () => Promise.resolve() },
};
