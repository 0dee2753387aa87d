import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { metricNames } from '#observability';

/** Every metric of the control plane, registered once; what they count is in their help texts. */
export class Metrics {
  readonly registry = new Registry();
  readonly httpRequests = this.#counter(metricNames.httpRequests, 'Requests answered', [
    'method',
    'route',
    'status',
  ]);
  readonly httpSeconds = new Histogram({
    name: metricNames.httpSeconds,
    help: 'Time to answer a request',
    labelNames: ['route'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });
  readonly loginFailures = this.#counter(
    metricNames.loginFailures,
    'Requests with a wrong or no token',
  );
  readonly enrollments = this.#counter(metricNames.enrollments, 'Enrolments by outcome', [
    'outcome',
  ]);
  readonly hostCertificates = this.#counter(
    metricNames.hostCertificates,
    'Certificates issued to hosts',
  );
  readonly fleetNodes = this.#gauge(metricNames.fleetNodes, 'Hosts known');
  readonly fleetPolicies = this.#gauge(metricNames.fleetPolicies, 'Policies known');
  readonly fleetRevision = this.#gauge(
    metricNames.fleetRevision,
    'etcd revision of the fleet in memory',
  );
  readonly watchLagSeconds = this.#gauge(
    metricNames.watchLagSeconds,
    'Since the watch last heard of etcd',
  );
  readonly deliveries = this.#counter(metricNames.deliveries, 'Assignments by outcome', [
    'outcome',
  ]);
  readonly deliverySeconds = new Histogram({
    name: metricNames.deliverySeconds,
    help: 'Time to compute and write one round of assignments',
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });
  readonly deliveryFailures = this.#counter(
    metricNames.deliveryFailures,
    'Rounds of delivery that failed and are tried again',
  );
  readonly periodicTaskSeconds = new Histogram({
    name: metricNames.periodicTaskSeconds,
    help: 'Time of one run of a periodic task',
    labelNames: ['task'],
    buckets: [0.01, 0.1, 1, 10],
    registers: [this.registry],
  });
  readonly periodicTaskFailures = this.#counter(
    metricNames.periodicTaskFailures,
    'Runs of periodic tasks that failed and are tried again',
    ['task'],
  );
  readonly replicas = this.#gauge(
    metricNames.replicas,
    'Control planes that divide the hosts, as this one has it',
  );
  readonly restoreAlarm = this.#gauge(
    metricNames.restoreAlarm,
    '1 while nothing is published, because etcd is older than what hosts have seen',
  );
  readonly auditLogAlarm = this.#gauge(
    metricNames.auditLogAlarm,
    '1 while hosts have seen another audit log than the one that is here',
  );
  readonly redeliveries = this.#counter(
    metricNames.redeliveries,
    'Times everything was delivered anew',
  );
  readonly bundlesBuilt = this.#counter(metricNames.bundlesBuilt, 'Bundles built');
  readonly reports = this.#counter(metricNames.reports, 'Reports of hosts taken');
  readonly clonesFound = this.#counter(
    metricNames.clonesFound,
    'Identities of hosts that two machines were found to use',
  );
  readonly reportsRefused = this.#counter(metricNames.reportsRefused, 'Reports refused', [
    'reason',
  ]);
  readonly signedStatusesRefused = this.#counter(
    metricNames.signedStatusesRefused,
    'Signed statuses of hosts refused',
    ['reason'],
  );
  readonly alertsStored = this.#counter(metricNames.alertsStored, 'Alerts stored');
  readonly alertsDuplicate = this.#counter(
    metricNames.alertsDuplicate,
    'Alerts that were stored already',
  );
  readonly telemetryEventsStored = this.#counter(
    metricNames.telemetryEventsStored,
    'Telemetry events stored',
  );
  readonly eventBatchesRefused = this.#counter(
    metricNames.eventBatchesRefused,
    'Event batches refused',
    ['reason'],
  );
  readonly alertStreams = this.#gauge(metricNames.alertStreams, 'Open live streams of alerts');
  readonly nodeStreams = this.#gauge(metricNames.nodeStreams, 'Open live streams of hosts');

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.registry] });
  }
}
