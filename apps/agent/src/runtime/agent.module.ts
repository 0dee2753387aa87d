import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { hostname } from 'node:os';
import { HostLink } from '#redis';
import { Sensor, SocketSensor } from '#sensor';
import { clientOf, reporterOf, type AgentSetting } from './agent-parts.js';
import { AgentLoops } from './agent.loops.js';
import { Confirmation } from '../delivery/confirmation.js';
import { Courier } from '../delivery/courier.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { NudgeController } from './nudge.controller.js';
import { AuthorityWatch } from '../enrollment/authority-watch.js';
import { Renewal } from '../enrollment/renewal.js';
import type { AlertSource } from '../events/alert-of.js';
import { EventPump } from '../events/event-pump.js';
import { TelemetryEventShipper } from '../events/telemetry-event-shipper.js';
import { TelemetryEvents } from '../events/telemetry-events.js';
import { Shipper } from '../events/shipper.js';
import { Spool } from '../events/spool.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { HealthFile } from '../health/health-file.js';
import { ControlPlaneReachability, Reachability } from '../health/reachability.js';
import { Context } from '../health/context.js';
import { RedirectWatch } from '../redirect/redirect-watch.js';
import { Redirects } from '../redirect/redirects.js';
import { AuditLogHeads } from '../reporting/audit-log-heads.js';
import { LastUpgrade } from '../reporting/last-upgrade.js';
import { ReportPace } from '../health/report-pace.js';
import { Reporter } from '../reporting/reporter.js';
import { SignedStatuses } from '../reporting/signed-statuses.js';
import { ObservingSensor } from '../sensor/observing-sensor.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { VERSION } from '../config/version.js';

/** The agent in the order of a policy's path: delivery, sensor, reporting, events. */
@Module({})
export class AgentModule {
  static of(setting: AgentSetting): DynamicModule {
    const { config, host, around, redis, redisEvents } = setting;
    return {
      module: AgentModule,
      controllers: [NudgeController],
      providers: [
        { provide: Context, useValue: around },
        { provide: HostLink, useValue: new HostLink(redis, host.trust.nodeId, redisEvents) },
        provide(Sensor, [], () => setting.sensor ?? openSensor(setting)),
        provide(ChannelKeys, [], () => ChannelKeys.open(host.files.channelKey, host.trust, around)),
        provide(
          SensorWatch,
          [Sensor, Context],
          (sensor: Sensor) => new SensorWatch(sensor, around),
        ),
        provide(
          Courier,
          [HostLink, SensorWatch, ChannelKeys],
          (link: HostLink, sensors: SensorWatch, keys: ChannelKeys) =>
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
          [ControlPlaneClient, Reachability, HostLink, ChannelKeys, SensorWatch, ReportPace],
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
          [Sensor, SensorWatch, Spool, TelemetryEvents],
          (sensor: Sensor, sensors: SensorWatch, spool: Spool, telemetryEvents: TelemetryEvents) =>
            new EventPump(eventSource(setting, sensor, sensors), spool, telemetryEvents, around),
        ),
        provide(
          Shipper,
          [HostLink, Spool, ChannelKeys, Reporter],
          (link: HostLink, spool: Spool, keys: ChannelKeys, reporter: Reporter) =>
            new Shipper(host.trust.nodeId, link, spool, keys, reporter, around),
        ),
        provide(TelemetryEvents, [], () => new TelemetryEvents(alertSource(setting))),
        provide(
          TelemetryEventShipper,
          [HostLink, TelemetryEvents, Spool, ChannelKeys, Reporter],
          (link: HostLink, telemetryEvents: TelemetryEvents, ...others: TelemetryEventParts) =>
            new TelemetryEventShipper(host.trust.nodeId, link, telemetryEvents, ...others, around),
        ),
        provide(AuditLogHeads, [ChannelKeys], (keys: ChannelKeys) =>
          AuditLogHeads.open(host.files.auditLogHeads, () => keys.root, around),
        ),
        provide(ReportPace, [ChannelKeys, HostLink], (keys: ChannelKeys, link: HostLink) =>
          ReportPace.of(keys, link, around),
        ),
        provide(SignedStatuses, [], () =>
          SignedStatuses.open(
            host.files.signingKey,
            host.trust.nodeId,
            config.signedStatus,
            around,
          ),
        ),
        { provide: LastUpgrade, useValue: new LastUpgrade(host.files.rolledBack, around) },
        provide(
          Reporter,
          [
            HostLink,
            ChannelKeys,
            SensorWatch,
            Courier,
            Spool,
            TelemetryEvents,
            AuditLogHeads,
            SignedStatuses,
            LastUpgrade,
            Redirects,
            ReportPace,
          ],
          (link: HostLink, keys: ChannelKeys, sensors: SensorWatch, ...others: ReporterParts) => {
            const [courier, spool, telemetryEvents, heads, signedStatuses, ...more] = others;
            const [upgrade, redirects, pace] = more;
            const kept = {
              spool,
              telemetryEvents,
              heads,
              signedStatuses,
              upgrade,
              redirects,
              pace,
            };
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
            TelemetryEventShipper,
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
  TelemetryEvents,
  AuditLogHeads,
  SignedStatuses,
  LastUpgrade,
  Redirects,
  ReportPace,
];
type RedirectParts = [HostLink, ChannelKeys, SensorWatch, ReportPace];
type TelemetryEventParts = [Spool, ChannelKeys, Reporter];
type LoopParts = [
  Courier,
  Confirmation,
  SensorWatch,
  LastUpgrade,
  Reporter,
  EventPump,
  Shipper,
  TelemetryEventShipper,
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
    telemetryEvents,
    health,
    renewal,
    authorities,
    redirects,
    pace,
  ]: LoopParts,
  around: Context,
): AgentLoops {
  const sending = { pump, shipper, telemetryEvents };
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
