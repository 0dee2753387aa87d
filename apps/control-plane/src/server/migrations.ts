/** Names compare by bytes: what a new version of the C library thinks of them spoils no index. */
const TEXT = 'text COLLATE "C" NOT NULL';

const alertTables = (kind: string): string => `
  CREATE TABLE hostward.${kind} (
    id bigint PRIMARY KEY,
    node_id ${TEXT},
    event_id ${TEXT},
    node ${TEXT},
    policy ${TEXT},
    time_ms bigint NOT NULL,
    body text NOT NULL,
    UNIQUE (node_id, event_id)
  );
  CREATE INDEX ${kind}_by_node ON hostward.${kind} (node, id);
  CREATE INDEX ${kind}_by_policy ON hostward.${kind} (policy, id);
  CREATE INDEX ${kind}_by_event ON hostward.${kind} (event_id, id);
  CREATE TABLE hostward.${kind}_cursors (node_id ${TEXT} PRIMARY KEY, last ${TEXT});
  INSERT INTO hostward.counters VALUES ('${kind}', 0);
`;

/** The schema in PostgreSQL, step by step: what was released is never changed, only followed by another step. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE hostward.counters (kind ${TEXT} PRIMARY KEY, last bigint NOT NULL);
  ${alertTables('alerts')}
  ${alertTables('telemetry_events')}
  CREATE TABLE hostward.audit_log (seq bigint PRIMARY KEY, body text NOT NULL, head text NOT NULL);
  CREATE INDEX restorations ON hostward.audit_log (seq)
    WHERE strpos(body, '"action":"audit_log.restored"') > 0;
  CREATE TABLE hostward.audit_log_set_aside (
    at timestamptz NOT NULL,
    seq bigint NOT NULL,
    body text NOT NULL,
    head text NOT NULL
  );
  `,
  `
  CREATE INDEX alerts_by_time ON hostward.alerts (time_ms);
  CREATE INDEX telemetry_events_by_time ON hostward.telemetry_events (time_ms);
  `,
  `
  CREATE TABLE hostward.identity (id uuid PRIMARY KEY);
  INSERT INTO hostward.identity VALUES (gen_random_uuid());
  `,
];
