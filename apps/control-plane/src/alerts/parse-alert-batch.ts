import type { AgentRun, Alert, AlertBatch, AlertParent } from '#contracts';
import {
  ShapeError,
  count,
  instant,
  list,
  matching,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
  type Read,
} from '../http/shape.js';

const MAX_ALERTS = 10_000;
/** A path of PATH_MAX bytes, with what may surround it. */
const LONG = 16_384;

const eventId = matching(/^[0-9]{1,16}-[0-9]{1,16}$/, 'must be <ms>-<sequence>');

const alert: Read<Alert> = record<Alert>({
  Timestamp: finite,
  UpdatedTime: text(60),
  ClusterName: text(253),
  HostName: text(300),
  HostPPID: optional(integer),
  HostPID: integer,
  PPID: optional(integer),
  PID: integer,
  UID: integer,
  LoginUID: optional(integer),
  TTY: optional(text(100)),
  Cwd: optional(text(LONG)),
  ContainerID: optional(text(100)),
  CGroup: optional(text(LONG)),
  ExecEvent: optional(record({ ExecID: text(100), ExecutableName: text(LONG) })),
  Parents: optional(
    list(record<AlertParent>({ PID: integer, Name: text(100), ExecID: optional(text(100)) }), 8),
  ),
  ParentProcessName: optional(text(LONG)),
  ProcessName: text(LONG),
  PolicyName: text(300),
  Severity: optional(text(20)),
  Tags: optional(text(4_000)),
  ATags: optional(list(text(300), 100)),
  Message: optional(text(4_000)),
  Type: oneOf(['MatchedHostPolicy', 'SystemEvent', 'SensorGuard', 'HostLog']),
  Source: text(LONG),
  Operation: oneOf(['Process', 'File', 'Network', 'Capabilities', 'Syscall', 'Device']),
  Resource: text(LONG),
  Device: optional(text(50)),
  Inode: optional(text(30)),
  Data: text(LONG),
  Enforcer: oneOf(['AppArmor', 'BPFLSM', 'USBDeviceHandler', 'eBPF Monitor']),
  Action: oneOf(['Block', 'Audit', 'Allow']),
  Result: oneOf(['Permission denied', 'Passed']),
  NodeID: text(300),
  EventID: eventId,
  Node: text(300),
  RuleID: optional(text(300)),
  PolicyRevision: optional(text(30)),
  Generation: optional(text(30)),
  Suppressed: count,
});

const batch: Read<AlertBatch> = record<AlertBatch>({
  v: version1,
  run: record<AgentRun>({ bootedAt: instant, sequence: count }),
  first: eventId,
  last: eventId,
  kind: optional(oneOf(['observed'])),
  alerts: list(alert, MAX_ALERTS),
});

/** Whose alerts they are, by the key that opened the batch: what the batch itself says does not count. */
export interface AlertSource {
  readonly nodeId: string;
  readonly node: string;
}

/** Reads an opened batch strictly, in order; throws ShapeError. */
export function parseAlertBatch(bytes: Uint8Array, source: AlertSource): AlertBatch {
  const parsed = batch(parseJson(bytes, 'batch'), 'batch');
  const alerts = parsed.alerts.map((each) => ({
    ...each,
    NodeID: source.nodeId,
    Node: source.node,
  }));
  checkOrder(parsed);
  checkKind(parsed);
  return { ...parsed, alerts };
}

/** Every id lies between first and last, ascending: else the cursor would drop what was never stored. */
function checkOrder({ first, last, alerts }: AlertBatch): void {
  let previous: string | undefined;
  for (const { EventID } of alerts) {
    const ascending = previous === undefined || compareEventIds(previous, EventID) < 0;
    const within = compareEventIds(first, EventID) <= 0 && compareEventIds(EventID, last) <= 0;
    if (!ascending || !within)
      throw new ShapeError('batch.alerts', 'must ascend from first to last');
    previous = EventID;
  }
}

/** What was only watched and what is an alert never pass for each other. */
function checkKind({ kind, alerts }: AlertBatch): void {
  if (alerts.some(({ Type }) => (Type === 'HostLog') !== (kind === 'observed')))
    throw new ShapeError('batch.alerts', 'must all be telemetry events, or none');
}

/** Order of event ids of one host: by start, then by number. */
export function compareEventIds(a: string, b: string): number {
  const [aStart = 0, aNumber = 0] = a.split('-').map(Number);
  const [bStart = 0, bNumber = 0] = b.split('-').map(Number);
  return aStart - bStart || aNumber - bNumber;
}

function integer(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new ShapeError(field, 'must be a whole number');
}

function finite(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ShapeError(field, 'must be a number');
}
