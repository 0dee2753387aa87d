import type { BpfLosses, AssignmentVersion, VisibilityLosses } from '#contracts';
import {
  decimal,
  flag,
  integer,
  listOf,
  oneOf,
  optional,
  type Parser,
  record,
  ShapeError,
  text,
} from './strict.js';

/**
 * What the sensor found in the kernel: JSON written by libs/sensor/native/src/state.c. Times are ms since 1970.
 * `assignmentVersion` is what is enforced, `highest` the greatest ever accepted; they differ after a fallback.
 */
export interface SensorState {
  readonly version: string;
  readonly abi: number;
  readonly enforcer: 'apparmor' | 'bpf' | 'none';
  readonly mode: 'enforce' | 'audit' | 'off';
  /** Programs of type LSM can be loaded here (what the BPF enforcer needs). */
  readonly bpfLsm: boolean;
  readonly assignmentVersion?: AssignmentVersion;
  readonly highest?: AssignmentVersion;
  readonly expiresAt?: number;
  /** The assignment in force has expired, by the latest of the clock and the last signed time; it stays in force. */
  readonly stale?: boolean;
  readonly digest?: string;
  /** base64 of the compiler's opaque CompileReport for `assignmentVersion`. */
  readonly report?: string;
  /** Of the last APPLY, load or fallback; `ok` is said only after read-back. */
  readonly outcome: { readonly ok: boolean; readonly code?: string; readonly message?: string };
  readonly profiles: readonly ProfileState[];
  readonly probes: readonly ProbeState[];
  readonly coverage: SensorCoverage;
  readonly drift: readonly SensorDrift[];
  readonly suspension?: SensorSuspension;
  readonly confirm?: SensorConfirm;
  /** Of records, since the sensor started; `bpf` by cause, `enum hw_loss` of hostward-bpf.h. */
  readonly losses: { readonly audit: number; readonly bpf: BpfLosses };
  /** Absent where no rule in force speaks of USB devices. */
  readonly devices?: DeviceState;
  /** What is watched by BPF programs of their own; absent from a sensor without a kernel. */
  readonly sensing?: SensorSensing;
  /** The audit multicast group is being read; false means that denials go unseen. */
  readonly auditListening: boolean;
  readonly lsm: readonly string[];
  readonly kernel: string;
  readonly asOf: number;
}

export interface ProfileState {
  readonly name: string;
  readonly loaded: boolean;
  /** The kernel's words, e.g. `enforce`; empty when not loaded. */
  readonly mode: string;
  readonly hash: string;
  readonly expectedHash: string;
  /** Loaded, in enforce mode, and byte for byte (or by hash) what the compiler made. */
  readonly ok: boolean;
}

export interface ProbeState {
  readonly kind: 'read' | 'write' | 'exec';
  /** Opaque to the sensor: what the compiler wrote into the probe to name the policy and rule. */
  readonly rule: string;
  readonly profile: string;
  readonly path: string;
  /** `blocked` only on EACCES where an attempt outside our profiles succeeded just before. */
  readonly result: 'blocked' | 'allowed' | 'inconclusive';
  readonly errno: number;
}

export interface SensorCoverage {
  readonly confined: number;
  readonly uncovered: number;
  readonly exempt: number;
  /** Up to 20 `pid comm` of uncovered processes. */
  readonly list: readonly string[];
  /** Of BPF: why some files with several names are judged by the one that they are asked for by; absent where none is. */
  readonly byPathAlone?: string;
  /** Of BPF: who has open what the rules refuse is still being looked for; absent where it is known. */
  readonly awaited?: boolean;
}

/** What was found of USB when it was last read back. */
export interface DeviceState {
  /** The kernel has a USB bus. */
  readonly bus: boolean;
  /** Its devices are told of as they come. */
  readonly listening: boolean;
  /** What could not be done, in words; absent: nothing. */
  readonly fault?: string;
  readonly present: number;
  readonly refused: number;
  /** In use although a rule, by its index in the report, refuses it. */
  readonly spared: readonly SparedDevice[];
}

export interface SparedDevice {
  readonly rule: number;
  /** Its place on the bus and its ids, e.g. `1-2 (46f4:0001)`. */
  readonly device: string;
  readonly reason: string;
}

export interface SensorDrift {
  readonly what: string;
  readonly detectedAt: number;
  readonly repairedAt?: number;
}

export interface SensorSuspension {
  readonly mode: 'audit' | 'off';
  readonly until: number;
  readonly reason: string;
  readonly by: 'console' | 'control-plane' | 'boot-guard';
}

export interface SensorConfirm {
  readonly state: 'waiting' | 'confirmed' | 'unconfirmed' | 'fell-back';
  readonly since: number;
}

/** Classes that are to be watched, and are; `failure` says why not all are. */
export interface SensorSensing {
  readonly wanted: readonly string[];
  readonly watched: readonly string[];
  readonly failure?: string;
  readonly losses: VisibilityLosses;
}

const SENSOR_EVENT_TYPES = [
  'denied',
  'audited',
  'guarded',
  'observed',
  'lost',
  'drift',
  'fallback',
  'suspended',
  'resumed',
  'loaded',
] as const;

/** One thing that happened on the host: JSON written by libs/sensor/native/src/events.c. */
export interface SensorEvent {
  /** Grows for ever, over restarts too; what SUBSCRIBE resumes at. What is `observed` has numbers of its own. */
  readonly seq: number;
  readonly time: number;
  readonly type: (typeof SENSOR_EVENT_TYPES)[number];
  /** Of `observed`: its class, see `VISIBILITY_CLASSES` of the policy model. */
  readonly class?: string;
  readonly profile?: string;
  readonly operation?: string;
  readonly name?: string;
  /** The second path of a link or rename; of an exec the label that it was to lead to. */
  readonly target?: string;
  readonly requested?: string;
  readonly denied?: string;
  readonly pid?: number;
  readonly ppid?: number;
  readonly comm?: string;
  /**
   * Who acted. On BPF as it was when it acted; on AppArmor read from /proc after the record came, so absent when the
   * process was gone.
   */
  readonly exe?: string;
  /** One run of one program on this host for ever, over reuse of pids; the enforcer BPF only. */
  readonly exec?: string;
  readonly uid?: number;
  readonly loginuid?: number;
  readonly tty?: string;
  readonly cwd?: string;
  /** Absent where the cgroup was gone when the record was read. */
  readonly cgroup?: string;
  readonly container?: string;
  /** Nearest first, at most eight. */
  readonly parents?: readonly SensorParent[];
  readonly fsuid?: number;
  readonly ouid?: number;
  readonly capability?: number;
  readonly capname?: string;
  readonly family?: string;
  readonly sockType?: string;
  readonly protocol?: number;
  readonly peer?: string;
  readonly info?: string;
  /** Who denied or watched; absent: AppArmor. */
  readonly enforcer?: 'bpf' | 'usb';
  /** Index into the rules of the report's attribution table, where the enforcer itself told which. */
  readonly rule?: number;
  /** Records of this rule and process that the kernel left out before this one. */
  readonly suppressed?: number;
  /** Device (`major:minor`) and inode of the object. */
  readonly device?: string;
  readonly inode?: string;
  /** Of the assignment under which it was judged; absent where that is in force no more. */
  readonly generation?: string;
  /** For `lost`: how many; absent where nobody can know. */
  readonly count?: number;
}

/** A process above the one that acted. */
export interface SensorParent {
  readonly pid: number;
  readonly comm: string;
  readonly exec?: string;
}

const assignmentVersion: Parser<AssignmentVersion> = record({
  epoch: decimal,
  generation: decimal,
  issuedAt: integer,
});

const coverage: Parser<SensorCoverage> = record({
  confined: integer,
  uncovered: integer,
  exempt: integer,
  list: listOf(text),
  byPathAlone: optional(text),
  awaited: optional(flag),
});

const profile: Parser<ProfileState> = record({
  name: text,
  loaded: flag,
  mode: text,
  hash: text,
  expectedHash: text,
  ok: flag,
});

const probe: Parser<ProbeState> = record({
  kind: oneOf('read', 'write', 'exec'),
  rule: text,
  profile: text,
  path: text,
  result: oneOf('blocked', 'allowed', 'inconclusive'),
  errno: integer,
});

const suspension: Parser<SensorSuspension> = record({
  mode: oneOf('audit', 'off'),
  until: integer,
  reason: text,
  by: oneOf('console', 'control-plane', 'boot-guard'),
});

const devices: Parser<DeviceState> = record({
  bus: flag,
  listening: flag,
  fault: optional(text),
  present: integer,
  refused: integer,
  spared: listOf(record({ rule: integer, device: text, reason: text })),
});

const state: Parser<SensorState> = record({
  version: text,
  abi: integer,
  enforcer: oneOf('apparmor', 'bpf', 'none'),
  mode: oneOf('enforce', 'audit', 'off'),
  bpfLsm: flag,
  assignmentVersion: optional(assignmentVersion),
  highest: optional(assignmentVersion),
  expiresAt: optional(integer),
  stale: optional(flag),
  digest: optional(text),
  report: optional(text),
  outcome: record({ ok: flag, code: optional(text), message: optional(text) }),
  profiles: listOf(profile),
  probes: listOf(probe),
  coverage,
  drift: listOf(record({ what: text, detectedAt: integer, repairedAt: optional(integer) })),
  suspension: optional(suspension),
  devices: optional(devices),
  confirm: optional(
    record({ state: oneOf('waiting', 'confirmed', 'unconfirmed', 'fell-back'), since: integer }),
  ),
  losses: record({
    audit: integer,
    bpf: record({
      ring: integer,
      reserve: integer,
      scratch: integer,
      race: integer,
      throttled: integer,
    }),
  }),
  sensing: optional(
    record({
      wanted: listOf(text),
      watched: listOf(text),
      failure: optional(text),
      losses: record({
        ring: integer,
        scratch: integer,
        race: integer,
        repeated: integer,
        queue: integer,
      }),
    }),
  ),
  auditListening: flag,
  lsm: listOf(text),
  kernel: text,
  asOf: integer,
});

const event: Parser<SensorEvent> = record({
  seq: integer,
  time: integer,
  type: oneOf(...SENSOR_EVENT_TYPES),
  class: optional(text),
  profile: optional(text),
  operation: optional(text),
  name: optional(text),
  target: optional(text),
  requested: optional(text),
  denied: optional(text),
  pid: optional(integer),
  ppid: optional(integer),
  comm: optional(text),
  exe: optional(text),
  exec: optional(text),
  uid: optional(integer),
  loginuid: optional(integer),
  tty: optional(text),
  cwd: optional(text),
  cgroup: optional(text),
  container: optional(text),
  parents: optional(listOf(record({ pid: integer, comm: text, exec: optional(text) }))),
  fsuid: optional(integer),
  ouid: optional(integer),
  capability: optional(integer),
  capname: optional(text),
  family: optional(text),
  sockType: optional(text),
  protocol: optional(integer),
  peer: optional(text),
  info: optional(text),
  enforcer: optional(oneOf('bpf', 'usb')),
  rule: optional(integer),
  suppressed: optional(integer),
  device: optional(text),
  inode: optional(decimal),
  generation: optional(decimal),
  count: optional(integer),
});

/** @throws ShapeError when the JSON is not a SensorState, unknown keys included */
export function parseSensorState(json: string): SensorState {
  return state(parseJson(json), 'state');
}

/** @throws ShapeError when the JSON is not a SensorEvent, unknown keys included */
export function parseSensorEvent(json: string): SensorEvent {
  return event(parseJson(json), 'event');
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new ShapeError(
      '',
      `is not JSON: ${cause instanceof Error ? cause.message : 'unreadable'}`,
    );
  }
}
