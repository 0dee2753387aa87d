import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { hostname } from 'node:os';
import { HostLink } from '#redis';
import { Sensor, SocketSensor } from '#sensor';
import { clientOf, reporterOf, type AgentSetting } from './agent-parts.js';
import { AgentLoops } from './agent.loops.js';
import { Confirmation } from './delivery/confirmation.js';
import { Courier } from './delivery/courier.js';
import { HostKeys } from './delivery/host-keys.js';
import { NudgeController } from './delivery/nudge.controller.js';
import { AuthorityWatch } from './enrollment/authority-watch.js';
import { Renewal } from './enrollment/renewal.js';
import { EventPump } from './events/event-pump.js';
import { Shipper } from './events/shipper.js';
import { Spool } from './events/spool.js';
import { ControlPlaneClient } from './health/control-plane.client.js';
import { HealthFile } from './health/health-file.js';
import { ControlPlaneReachability, Reachability } from './health/reachability.js';
import { Surroundings } from './health/surroundings.js';
import { JournalHeads } from './reporting/journal-heads.js';
import { Reporter } from './reporting/reporter.js';
import { Statements } from './reporting/statements.js';
import { ObservingSensor } from './sensor/observing-sensor.js';
import { SensorWatch } from './sensor/sensor-watch.js';
import { VERSION } from './version.js';

/** The agent in the order of a policy's path: delivery, sensor, reporting, events. */
@Module({})
export class AgentModule {
  static of(setting: AgentSetting): DynamicModule {
    const { config, host, around, redis, redisEvents } = setting;
    return {
      module: AgentModule,
      controllers: [NudgeController],
      providers: [
        { provide: Surroundings, useValue: around },
        { provide: HostLink, useValue: new HostLink(redis, host.trust.nodeId, redisEvents) },
        provide(Sensor, [], () => setting.sensor ?? openSensor(setting)),
        provide(HostKeys, [], () => HostKeys.open(host.files.hostKey, host.trust, around)),
        provide(
          SensorWatch,
          [Sensor, Surroundings],
          (sensor: Sensor) => new SensorWatch(sensor, around),
        ),
        provide(
          Courier,
          [HostLink, SensorWatch, HostKeys],
          (link: HostLink, sensors: SensorWatch, keys: HostKeys) =>
            new Courier(link, sensors, keys, around),
        ),
        { provide: ControlPlaneClient, useValue: clientOf(setting) },
        provide(
          Reachability,
          [ControlPlaneClient],
          (client: ControlPlaneClient) => new ControlPlaneReachability(client, host.redis, around),
        ),
        provide(
          Renewal,
          [ControlPlaneClient],
          (client: ControlPlaneClient) => new Renewal(host, client, around),
        ),
        provide(
          AuthorityWatch,
          [ControlPlaneClient, Renewal],
          (client: ControlPlaneClient, renewal: Renewal) =>
            new AuthorityWatch(host, client, renewal, around),
        ),
        provide(
          Confirmation,
          [SensorWatch, Reachability],
          (sensors: SensorWatch, reach: Reachability) => new Confirmation(sensors, reach, around),
        ),
        provide(Spool, [], () =>
          Spool.open({
            dir: host.files.spoolDir,
            maxBytes: config.spool.maxBytes,
            now: () => around.clock.now(),
          }),
        ),
        provide(
          EventPump,
          [Sensor, SensorWatch, Spool],
          (sensor: Sensor, sensors: SensorWatch, spool: Spool) =>
            new EventPump(eventSource(setting, sensor, sensors), spool, around),
        ),
        provide(
          Shipper,
          [HostLink, Spool, HostKeys, Reporter],
          (link: HostLink, spool: Spool, keys: HostKeys, reporter: Reporter) =>
            new Shipper(host.trust.nodeId, link, spool, keys, reporter, around),
        ),
        provide(JournalHeads, [HostKeys], (keys: HostKeys) =>
          JournalHeads.open(host.files.journalHeads, () => keys.root, around),
        ),
        provide(Statements, [], () =>
          Statements.open(host.files.signingKey, host.trust.nodeId, config.statement, around),
        ),
        provide(
          Reporter,
          [HostLink, HostKeys, SensorWatch, Courier, Spool, JournalHeads, Statements],
          (link: HostLink, keys: HostKeys, sensors: SensorWatch, ...others: ReporterParts) => {
            const [courier, spool, heads, statements] = others;
            const parts = { link, keys, sensors, courier, spool, heads, statements };
            return reporterOf(setting, parts);
          },
        ),
        provide(
          HealthFile,
          [Courier, Spool],
          (courier: Courier, spool: Spool) =>
            new HealthFile(host.files.health, around, () => ({
              delivery: courier.counts,
              spool: spool.status(),
            })),
        ),
        provide(
          AgentLoops,
          [
            Courier,
            Confirmation,
            SensorWatch,
            Reporter,
            EventPump,
            Shipper,
            HealthFile,
            Renewal,
            AuthorityWatch,
          ],
          (...parts: LoopParts) => loopsOf(parts, around),
        ),
      ],
    };
  }
}

function provide<A extends never[]>(
  token: FactoryProvider['provide'],
  inject: NonNullable<FactoryProvider['inject']>,
  useFactory: (...parts: A) => unknown,
): FactoryProvider {
  return { provide: token, inject, useFactory };
}

type ReporterParts = [Courier, Spool, JournalHeads, Statements];
type LoopParts = [
  Courier,
  Confirmation,
  SensorWatch,
  Reporter,
  EventPump,
  Shipper,
  HealthFile,
  Renewal,
  AuthorityWatch,
];

function openSensor({ config, host, around }: AgentSetting): Sensor | Promise<Sensor> {
  if (config.enforcer === 'observe')
    return ObservingSensor.open(host.files, host.trust, around.clock, VERSION, config.veto);
  return new SocketSensor({ path: config.sensorSocket, version: VERSION });
}

function eventSource({ host }: AgentSetting, sensor: Sensor, sensors: SensorWatch) {
  return {
    sensor,
    reports: () => sensors.reports,
    source: { nodeId: host.trust.nodeId, node: host.name, hostname: hostname() },
    onAway: (cause: unknown) => sensors.away(cause),
  };
}

function loopsOf(
  [
    courier,
    confirmation,
    sensors,
    reporter,
    pump,
    shipper,
    health,
    renewal,
    authorities,
  ]: LoopParts,
  around: Surroundings,
): AgentLoops {
  return new AgentLoops(
    { courier, confirmation, sensors, reporter, pump, shipper, health, renewal, authorities },
    around,
  );
}
