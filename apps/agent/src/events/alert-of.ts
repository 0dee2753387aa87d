import type { Alert, AlertParent } from '#contracts';
import {
  attribute,
  type AttributionTable,
  capabilityName,
  type RuleReference,
  usbClassName,
} from '#policy-compiler';
import type { SensorEvent, SensorParent } from '#sensor';
import type { NewAlert } from './spool.js';

/** The host as alerts name it. */
export interface AlertSource {
  readonly nodeId: string;
  readonly node: string;
  readonly hostname: string;
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  33: 'DCCP',
  58: 'ICMPV6',
  132: 'SCTP',
  255: 'RAW',
};

const PATH_CHARS = 16_384;
const BOUNDS: Readonly<Record<string, number>> = {
  HostName: 300,
  Node: 300,
  PolicyName: 300,
  RuleID: 300,
  Severity: 20,
  PolicyRevision: 30,
  Generation: 30,
  TTY: 100,
  ContainerID: 100,
  Device: 50,
  Inode: 30,
  Message: 4_000,
  Tags: 4_000,
};

/** The rule behind an event, or undefined where the table names none. */
export function ruleOf(
  event: SensorEvent,
  table: AttributionTable | undefined,
): RuleReference | undefined {
  return table === undefined ? undefined : attribute(table, event);
}

/**
 * An alert in KubeArmor's field names, or undefined for what is no news to an operator (`loaded`). A denial that no
 * rule explains is told as `DefaultPosture`, never dropped.
 */
export function alertOf(
  event: SensorEvent,
  rule: RuleReference | undefined,
  source: AlertSource,
  suppressed: number,
): NewAlert | undefined {
  switch (event.type) {
    case 'denied':
    case 'audited':
      return bounded(policyAlert(event, rule, source, suppressed));
    case 'observed':
      return bounded(hostLog(event, source));
    case 'guarded':
      return bounded(guardAlert(event, source, suppressed));
    case 'lost':
    case 'drift':
    case 'fallback':
    case 'suspended':
    case 'resumed':
      return bounded(systemAlert(event, source));
    case 'loaded':
      return undefined;
  }
}

/**
 * Long texts are cut: the control plane refuses a batch that holds a longer one, and what it refuses can never be
 * acknowledged. Mirror of the bounds in apps/control-plane/src/alerts/parse-alert-batch.ts.
 */
function bounded(alert: NewAlert): NewAlert {
  const long = Object.entries(alert).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const cut = Object.fromEntries(
    long.map(([field, text]) => [field, text.slice(0, BOUNDS[field] ?? PATH_CHARS)]),
  );
  const tags = alert.ATags?.slice(0, 100).map((tag) => tag.slice(0, 300));
  const { ExecEvent: exec } = alert;
  return {
    ...alert,
    ...cut,
    ...(tags === undefined ? {} : { ATags: tags }),
    ...(exec === undefined
      ? {}
      : { ExecEvent: { ...exec, ExecutableName: exec.ExecutableName.slice(0, PATH_CHARS) } }),
  };
}

function policyAlert(
  event: SensorEvent,
  rule: RuleReference | undefined,
  source: AlertSource,
  suppressed: number,
): NewAlert {
  const denied = event.type === 'denied';
  return {
    ...common(event, source),
    ...subjectOf(event),
    PolicyName: rule?.policy ?? 'DefaultPosture',
    ...(rule?.severity === undefined ? {} : { Severity: String(rule.severity) }),
    ...tagsOf(rule),
    ...(rule?.message === undefined ? {} : { Message: rule.message }),
    Type: 'MatchedHostPolicy',
    Operation: operationOf(event, rule),
    Resource: resourceOf(event),
    ...whereOf(event),
    Data: dataOf(event),
    Action: actionOf(denied, rule),
    Result: denied ? 'Permission denied' : 'Passed',
    ...(rule === undefined ? {} : { RuleID: rule.rule, PolicyRevision: rule.revision }),
    Suppressed: suppressed,
  };
}

/** What was done, not what the policy asks for: under break-glass a Block is an Audit. */
function actionOf(denied: boolean, rule: RuleReference | undefined): Alert['Action'] {
  if (denied) return rule?.action ?? 'Block';
  return rule === undefined || rule.action === 'Block' ? 'Audit' : rule.action;
}

/** Nothing was judged: KubeArmor's `HostLog`. */
function hostLog(event: SensorEvent, source: AlertSource): NewAlert {
  return {
    ...common(event, source),
    ...subjectOf(event),
    PolicyName: `visibility/${event.class ?? 'unknown'}`,
    Type: 'HostLog',
    Operation: observedOperation(event),
    Resource: observedResource(event),
    ...whereOf(event),
    Data: dataOf(event),
    Enforcer: 'eBPF Monitor',
    Action: 'Audit',
    Result: event.info === 'refused' ? 'Permission denied' : 'Passed',
    Suppressed: event.suppressed ?? 0,
  };
}

function observedOperation(event: SensorEvent): Alert['Operation'] {
  return event.operation === 'dns' ? 'Network' : operationOf(event, undefined);
}

/** Of a program the command line too, as KubeArmor has it; of a question its name and the number of its type. */
function observedResource(event: SensorEvent): string {
  const { operation, name = '', requested, peer = '', info, capability } = event;
  if (operation === 'dns') return `domain=${name} type=${requested ?? '?'}`;
  if (operation === 'exec') return info === undefined ? name : `${name} (${info})`;
  if (event.family !== undefined) return `${resourceOf(event)} address=${peer}`;
  return name === '' && capability !== undefined ? capabilityName(capability) : name;
}

/** Somebody tried to end, change or unpin what enforces, and was refused. */
function guardAlert(event: SensorEvent, source: AlertSource, suppressed: number): NewAlert {
  const attempt = attemptOf(event);
  return {
    ...common(event, source),
    ProcessName: processOf(event),
    Source: processOf(event),
    PolicyName: 'DefaultPosture',
    Severity: '10',
    Message: `${attempt} was refused`,
    Type: 'SensorGuard',
    Operation: event.operation === 'unpin' ? 'File' : 'Syscall',
    Resource: event.name ?? 'hostward-sensor',
    ...whereOf(event),
    Data: dataOf(event),
    Action: 'Block',
    Result: 'Permission denied',
    Suppressed: suppressed,
  };
}

function attemptOf({ operation = 'an attempt', requested, name }: SensorEvent): string {
  switch (operation) {
    case 'kill':
      return `signal ${requested ?? '?'} to the sensor`;
    case 'ptrace':
      return 'tracing the sensor';
    case 'bpf_map':
      return `opening map ${requested ?? '?'} of the sensor to write`;
    case 'unpin':
      return name === undefined ? 'removing a pin of the sensor' : `removing the pin ${name}`;
    case 'umount':
      return 'unmounting the filesystem of the pins';
    case 'prlimit':
      return 'a limit on the sensor';
    default:
      return `${operation} on the sensor`;
  }
}

/** What happened to the host's enforcement itself. The contract has no operation of its own for it. */
function systemAlert(event: SensorEvent, source: AlertSource): NewAlert {
  const count = event.count === undefined ? '' : ` (${event.count})`;
  return {
    ...common(event, source),
    ProcessName: 'hostward-sensor',
    Source: 'hostward-sensor',
    PolicyName: 'DefaultPosture',
    Message: `${event.type}${count}: ${event.info ?? event.name ?? event.profile ?? 'no details'}`,
    Type: 'SystemEvent',
    Operation: 'Process',
    Resource: event.profile ?? event.name ?? 'hostward',
    Data: `event=${event.type}`,
    Action: 'Audit',
    Result: 'Passed',
    Suppressed: 0,
  };
}

function common(event: SensorEvent, source: AlertSource) {
  return {
    Timestamp: Math.floor(event.time / 1000),
    UpdatedTime: new Date(event.time).toISOString(),
    ClusterName: 'default',
    HostName: source.hostname,
    ...(event.ppid === undefined ? {} : { HostPPID: event.ppid, PPID: event.ppid }),
    HostPID: event.pid ?? 0,
    PID: event.pid ?? 0,
    UID: event.uid ?? event.fsuid ?? 0,
    ...actorOf(event),
    Enforcer: ENFORCERS[event.enforcer ?? 'apparmor'],
    NodeID: source.nodeId,
    Node: source.node,
  };
}

/** As KubeArmor names them. */
const ENFORCERS = { apparmor: 'AppArmor', bpf: 'BPFLSM', usb: 'USBDeviceHandler' } as const;

/** Who acted, and where it stood; what is not known is left out. */
function actorOf(
  event: SensorEvent,
): Pick<NewAlert, 'LoginUID' | 'TTY' | 'Cwd' | 'ContainerID' | 'CGroup' | 'ExecEvent' | 'Parents'> {
  const { loginuid, tty, cwd, container, cgroup, exec, parents } = event;
  return {
    ...(loginuid === undefined ? {} : { LoginUID: loginuid }),
    ...(tty === undefined ? {} : { TTY: tty }),
    ...(cwd === undefined ? {} : { Cwd: cwd }),
    ...(container === undefined ? {} : { ContainerID: container }),
    ...(cgroup === undefined ? {} : { CGroup: cgroup }),
    ...(exec === undefined
      ? {}
      : { ExecEvent: { ExecID: exec, ExecutableName: processOf(event) } }),
    ...(parents === undefined ? {} : { Parents: parents.slice(0, 8).map(parentOf) }),
  };
}

function parentOf({ pid, comm, exec }: SensorParent): AlertParent {
  return { PID: pid, Name: comm, ...(exec === undefined ? {} : { ExecID: exec }) };
}

/** Where the object lies, and under which assignment it was judged. */
function whereOf(event: SensorEvent): Pick<NewAlert, 'Device' | 'Inode' | 'Generation'> {
  const { device, inode, generation } = event;
  return {
    ...(device === undefined ? {} : { Device: device }),
    ...(inode === undefined ? {} : { Inode: inode }),
    ...(generation === undefined ? {} : { Generation: generation }),
  };
}

/** For an exec the process is the one that was to start, its parent the one that asked; else the one that acted. */
function subjectOf(
  event: SensorEvent,
): Pick<NewAlert, 'ProcessName' | 'ParentProcessName' | 'Source'> {
  const actor = processOf(event);
  if (event.operation !== 'exec') return { ProcessName: actor, Source: actor };
  return { ProcessName: event.name ?? actor, ParentProcessName: actor, Source: actor };
}

/** Whose noise it is: the path of the program, or its name where /proc was too late. */
export function processOf(event: SensorEvent): string {
  if (event.enforcer === 'usb') return 'kernel';
  return event.exe ?? event.comm ?? 'unknown';
}

function tagsOf(rule: RuleReference | undefined): Pick<NewAlert, 'Tags' | 'ATags'> {
  return rule === undefined || rule.tags.length === 0
    ? {}
    : { Tags: rule.tags.join(','), ATags: rule.tags };
}

function operationOf(event: SensorEvent, rule: RuleReference | undefined): Alert['Operation'] {
  const section = rule?.rule.split('/')[0];
  if (event.enforcer === 'usb') return 'Device';
  if (section === 'capabilities' || event.capname !== undefined || event.operation === 'capable')
    return 'Capabilities';
  if (section === 'network' || event.family !== undefined || event.operation === 'query')
    return 'Network';
  if (section === 'syscalls') return 'Syscall';
  return section === 'process' || event.operation === 'exec' ? 'Process' : 'File';
}

function resourceOf(event: SensorEvent): string {
  if (event.enforcer === 'usb') return `USB ${functionOf(event)}`;
  if (event.operation === 'query') return event.name === undefined ? '' : `domain=${event.name}`;
  if (event.name !== undefined) return event.name;
  if (event.capname !== undefined) return event.capname;
  if (event.family === undefined) return '';
  return `family=${event.family} protocol=${protocolOf(event)} type=SOCK_${(event.sockType ?? 'unknown').toUpperCase()}`;
}

/** Of a device, by the function that it was judged by: `CLASS/SUBCLASS/PROTOCOL`. */
function functionOf({ name = '' }: SensorEvent): string {
  const code = /^(\d+)\//.exec(name)?.[1];
  return code === undefined ? name : usbClassName(Number(code));
}

function protocolOf({ protocol, sockType }: SensorEvent): string {
  if (protocol !== undefined && protocol !== 0) return PROTOCOLS[protocol] ?? String(protocol);
  return sockType === 'stream' ? 'TCP' : sockType === 'dgram' ? 'UDP' : '0';
}

function dataOf(event: SensorEvent): string {
  const { operation, requested, denied, profile, info } = event;
  const fields = Object.entries({ operation, requested, denied, profile, info });
  return fields
    .flatMap(([key, value]) => (value === undefined || value === '' ? [] : [`${key}=${value}`]))
    .join(' ');
}
