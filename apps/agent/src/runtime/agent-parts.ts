import { hostname } from 'node:os';
import { REPORT_INTERVAL_MS, redisKeys } from '#contracts';
import {
  HostwardRedisTransport,
  type HostLink,
  type HostwardTransportOptions,
  type RedisConnection,
} from '#redis';
import type { Sensor } from '#sensor';
import type { AgentConfig } from '../config/agent-config.js';
import type { EnrolledHost } from '../enrollment/enrolled-host.js';
import type { HostFiles } from '../config/host-files.js';
import type { Courier } from '../delivery/courier.js';
import type { ChannelKeys } from '../trust/channel-keys.js';
import { CHECK_PATTERN, NUDGE_PATTERN } from './nudge.controller.js';
import { readIfThere } from '../trust/key-file.js';
import type { TelemetryEvents } from '../events/telemetry-events.js';
import type { Spool } from '../events/spool.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import type { Context } from '../health/context.js';
import type { Redirects } from '../redirect/redirects.js';
import { hostSignedStatus } from '../reporting/host-signed-status.js';
import type { AuditLogHeads } from '../reporting/audit-log-heads.js';
import type { LastUpgrade } from '../reporting/last-upgrade.js';
import { nodeReport } from '../reporting/node-report.js';
import type { ReportPace } from '../health/report-pace.js';
import { Reporter, type Composed } from '../reporting/reporter.js';
import type { SignedStatuses } from '../reporting/signed-statuses.js';
import type { SensorWatch } from '../sensor/sensor-watch.js';
import { VERSION } from '../config/version.js';

/** A third of the sensor's patience: a control plane that ten thousand hosts ask at once answers late. */
const HTTP_TIMEOUT_MS = 10_000;

/** What the agent is started with: all of it read and checked before it begins. */
export interface AgentSetting {
  readonly config: AgentConfig;
  readonly host: EnrolledHost;
  readonly around: Context;
  readonly redis: RedisConnection;
  /** To the Redis that takes events; the same one where it does. */
  readonly redisEvents: RedisConnection;
  /** Replaces the sensor that the configuration names; for tests. */
  readonly sensor?: Sensor;
}

/** To the control plane, over TLS that both sides prove. */
export function clientOf(
  { host }: Pick<AgentSetting, 'host'>,
  timeoutMs = HTTP_TIMEOUT_MS,
): ControlPlaneClient {
  return new ControlPlaneClient({
    url: host.controlPlane,
    ca: () => host.authorities.pem,
    timeoutMs,
    identity: () => identityOf(host.files),
  });
}

/** Read each time, since the certificate is renewed while the agent runs. */
async function identityOf({ certificate, tlsKey }: HostFiles) {
  const [cert, key] = await Promise.all([certificate, tlsKey].map(readIfThere));
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** Hears the nudges of this host and the checks of all, on the connection over which it also asks. */
export function transportOf(
  host: EnrolledHost,
  told: Pick<HostwardTransportOptions, 'onSubscribed' | 'onRefused'> &
    Required<Pick<HostwardTransportOptions, 'shared'>>,
): HostwardRedisTransport {
  const channels = {
    [NUDGE_PATTERN]: redisKeys.nudge(host.trust.nodeId),
    [CHECK_PATTERN]: redisKeys.check,
  };
  return new HostwardRedisTransport({ ...host.redis, ...told, channels, patient: true });
}

/** Whose words a report is made of. */
export interface ReporterParts {
  readonly link: HostLink;
  readonly keys: ChannelKeys;
  readonly sensors: SensorWatch;
  readonly courier: Courier;
  readonly spool: Pick<Spool, 'status'>;
  readonly telemetryEvents: Pick<TelemetryEvents, 'lost'>;
  readonly heads: AuditLogHeads;
  readonly signedStatuses: SignedStatuses;
  readonly upgrade: Pick<LastUpgrade, 'rolledBack'>;
  readonly redirects: Pick<Redirects, 'report'>;
  readonly pace: ReportPace;
}

/** Reports what all parts say at that moment, and the host's signed status beside it. */
export function reporterOf(
  { config, host, around }: Pick<AgentSetting, 'config' | 'host' | 'around'>,
  { link, keys, sensors, courier, redirects, upgrade, pace, ...parts }: ReporterParts,
): Reporter {
  const { spool, telemetryEvents, heads, signedStatuses } = parts;
  const bootedAt = around.clock.now();
  const compose = (sequence: number): Composed => {
    const report = nodeReport({
      nodeId: host.trust.nodeId,
      hostname: hostname(),
      sequence,
      bootedAt,
      now: around.clock.now(),
      reportEveryMs: seesKernel(around, sensors) ? pace.everyMs : REPORT_INTERVAL_MS,
      observing: config.enforcer === 'observe',
      sensor: sensors.sighting,
      compileReport: sensors.sighting?.compileReport,
      rejection: courier.rejection ?? sensorAway(around, sensors),
      agentVersion: VERSION,
      spoolLost: spool.status().lost,
      telemetryEventsLost: telemetryEvents.lost,
      rolledBack: upgrade.rolledBack,
      redirect: redirects.report,
    });
    const signedStatus = signedStatuses.of(
      hostSignedStatus({
        report,
        mode: sensors.sighting?.state.mode ?? 'off',
        compileReport: sensors.sighting?.compileReport,
        rootVersion: keys.root.version,
        auditLog: heads.signed,
        now: around.clock.now(),
      }),
      pace.everyMs,
    );
    return {
      report: { ...report, heads: signedStatus?.heads },
      signedStatus: signedStatus?.document,
    };
  };
  return new Reporter(compose, link, keys, around);
}

/** What is known of a kernel that is not read back any more must age as fast as in any fleet. */
function seesKernel({ conditions, clock }: Context, { sighting }: SensorWatch): boolean {
  if (sighting === undefined || conditions.has('sensor')) return false;
  return Math.abs(clock.now() - sighting.state.asOf) < 2 * REPORT_INTERVAL_MS;
}

/** A sensor that was never reached is told as the reason why nothing is enforced. */
function sensorAway(around: Context, sensors: SensorWatch) {
  const condition = around.conditions.list().find(({ name }) => name === 'sensor');
  if (condition === undefined || sensors.sighting !== undefined) return undefined;
  return { code: 'sensor-away', message: condition.message, at: Date.parse(condition.since) };
}
