/** Every metric of every program of ours; names are an interface, so they are changed nowhere else. */
export const metricNames = {
  httpRequests: 'hostward_http_requests_total',
  httpSeconds: 'hostward_http_request_seconds',
  loginFailures: 'hostward_login_failures_total',
  enrollments: 'hostward_enrollments_total',
  hostCertificates: 'hostward_host_certificates_issued_total',
  fleetNodes: 'hostward_fleet_nodes',
  fleetPolicies: 'hostward_fleet_policies',
  fleetRevision: 'hostward_fleet_revision',
  replicas: 'hostward_replicas',
  watchLagSeconds: 'hostward_watch_lag_seconds',
  watchRestarts: 'hostward_watch_restarts_total',
  deliveries: 'hostward_deliveries_total',
  deliverySeconds: 'hostward_delivery_seconds',
  deliveryFailures: 'hostward_delivery_failures_total',
  restoreAlarm: 'hostward_restore_alarm',
  auditLogAlarm: 'hostward_audit_log_alarm',
  redeliveries: 'hostward_redeliveries_total',
  bundlesBuilt: 'hostward_bundles_built_total',
  reports: 'hostward_reports_total',
  clonesFound: 'hostward_clones_found_total',
  reportsRefused: 'hostward_reports_refused_total',
  signedStatusesRefused: 'hostward_signed_statuses_refused_total',
  alertsStored: 'hostward_alerts_stored_total',
  alertsDuplicate: 'hostward_alerts_duplicate_total',
  telemetryEventsStored: 'hostward_telemetry_events_stored_total',
  eventBatchesRefused: 'hostward_event_batches_refused_total',
  alertStreams: 'hostward_alert_streams',
  nodeStreams: 'hostward_node_streams',
} as const;

/** Name of one of our metrics. */
export type MetricName = (typeof metricNames)[keyof typeof metricNames];
