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
import type { AlertSource } from './events/alert-of.js';
import { EventPump } from './events/event-pump.js';
import { ObservationShipper } from './events/observation-shipper.js';
import { Observations } from './events/observations.js';
import { Shipper } from './events/shipper.js';
import { Spool } from './events/spool.js';
import { ControlPlaneClient } from './health/control-plane.client.js';
import { HealthFile } from './health/health-file.js';
import { ControlPlaneReachability, Reachability } from './health/reachability.js';
import { Surroundings } from './health/surroundings.js';
import { RedirectWatch } from './redirect/redirect-watch.js';
import { Redirects } from './redirect/redirects.js';
import { JournalHeads } from './reporting/journal-heads.js';
import { LastUpgrade } from './reporting/last-upgrade.js';
import { ReportPace } from './reporting/report-pace.js';
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
          [ControlPlaneClient, ReportPace],
          (client: ControlPlaneClient, pace: ReportPace) =>
            new ControlPlaneReachability(client, host.redis, pace, around),
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
          Redirects,
          [ControlPlaneClient, Reachability, HostLink, HostKeys, SensorWatch, ReportPace],
          (client: ControlPlaneClient, reach: Reachability, ...others: RedirectParts) => {
            const [link, keys, sensors, pace] = others;
            return new RedirectWatch(host, { client, reach, link, keys, sensors, pace }, around);
          },
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
          [Sensor, SensorWatch, Spool, Observations],
          (sensor: Sensor, sensors: SensorWatch, spool: Spool, observations: Observations) =>
            new EventPump(eventSource(setting, sensor, sensors), spool, observations, around),
        ),
        provide(
          Shipper,
          [HostLink, Spool, HostKeys, Reporter],
          (link: HostLink, spool: Spool, keys: HostKeys, reporter: Reporter) =>
            new Shipper(host.trust.nodeId, link, spool, keys, reporter, around),
        ),
        provide(Observations, [], () => new Observations(alertSource(setting))),
        provide(
          ObservationShipper,
          [HostLink, Observations, Spool, HostKeys, Reporter],
          (link: HostLink, observations: Observations, ...others: ObservationParts) =>
            new ObservationShipper(host.trust.nodeId, link, observations, ...others, around),
        ),
        provide(JournalHeads, [HostKeys], (keys: HostKeys) =>
          JournalHeads.open(host.files.journalHeads, () => keys.root, around),
        ),
        provide(ReportPace, [HostKeys, HostLink], (keys: HostKeys, link: HostLink) =>
          ReportPace.of(keys, link, around),
        ),
        provide(Statements, [], () =>
          Statements.open(host.files.signingKey, host.trust.nodeId, config.statement, around),
        ),
        { provide: LastUpgrade, useValue: new LastUpgrade(host.files.rolledBack, around) },
        provide(
          Reporter,
          [
            HostLink,
            HostKeys,
            SensorWatch,
            Courier,
            Spool,
            Observations,
            JournalHeads,
            Statements,
            LastUpgrade,
            Redirects,
            ReportPace,
          ],
          (link: HostLink, keys: HostKeys, sensors: SensorWatch, ...others: ReporterParts) => {
            const [courier, spool, observations, heads, statements, ...more] = others;
            const [upgrade, redirects, pace] = more;
            const kept = { spool, observations, heads, statements, upgrade, redirects, pace };
            const parts = { link, keys, sensors, courier, ...kept };
            return reporterOf(setting, parts);
          },
        ),
        provide(
          HealthFile,
          [Courier, Spool, Reporter],
          (courier: Courier, spool: Spool, reporter: Reporter) =>
            new HealthFile(host.files.health, around, () => ({
              // upgrade.sh reads these two by line.
              agent: { pid: process.pid, version: VERSION },
              reports: reporter.written,
              controlPlane: whither(setting),
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
            LastUpgrade,
            Reporter,
            EventPump,
            Shipper,
            ObservationShipper,
            HealthFile,
            Renewal,
            AuthorityWatch,
            Redirects,
            ReportPace,
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

type ReporterParts = [
  Courier,
  Spool,
  Observations,
  JournalHeads,
  Statements,
  LastUpgrade,
  Redirects,
  ReportPace,
];
type RedirectParts = [HostLink, HostKeys, SensorWatch, ReportPace];
type ObservationParts = [Spool, HostKeys, Reporter];
type LoopParts = [
  Courier,
  Confirmation,
  SensorWatch,
  LastUpgrade,
  Reporter,
  EventPump,
  Shipper,
  ObservationShipper,
  HealthFile,
  Renewal,
  AuthorityWatch,
  Redirects,
  ReportPace,
];

function openSensor({ config, host, around }: AgentSetting): Sensor | Promise<Sensor> {
  if (config.enforcer === 'observe')
    return ObservingSensor.open(host.files, host.trust, around.clock, VERSION, config.veto);
  return new SocketSensor({ path: config.sensorSocket, version: VERSION });
}

/** Which control plane counts, and by whose word. */
function whither({ host: { controlPlane, place } }: AgentSetting) {
  return { url: controlPlane, by: place ? 'redirect' : 'agent.yaml' };
}

function alertSource({ host }: AgentSetting): AlertSource {
  return { nodeId: host.trust.nodeId, node: host.name, hostname: hostname() };
}

function eventSource(setting: AgentSetting, sensor: Sensor, sensors: SensorWatch) {
  return {
    sensor,
    reports: () => sensors.reports,
    source: alertSource(setting),
    onAway: (cause: unknown) => sensors.away(cause),
  };
}

function loopsOf(
  [
    courier,
    confirmation,
    sensors,
    upgrade,
    reporter,
    pump,
    shipper,
    observations,
    health,
    renewal,
    authorities,
    redirects,
    pace,
  ]: LoopParts,
  around: Surroundings,
): AgentLoops {
  const sending = { pump, shipper, observations };
  return new AgentLoops(
    {
      courier,
      confirmation,
      sensors,
      upgrade,
      reporter,
      ...sending,
      health,
      renewal,
      authorities,
      redirects,
      pace,
    },
    around,
  );
}
