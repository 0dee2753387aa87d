/** An alert with KubeArmor's field names (facts: alert message of its LogService), and what it lacks. */
export interface Alert {
  readonly Timestamp: number;
  readonly UpdatedTime: string;
  readonly ClusterName: string;
  readonly HostName: string;
  readonly HostPPID?: number;
  readonly HostPID: number;
  readonly PPID?: number;
  readonly PID: number;
  readonly UID: number;
  /** Ours: who logged in, whatever became of the uid since. */
  readonly LoginUID?: number;
  readonly TTY?: string;
  readonly Cwd?: string;
  readonly ContainerID?: string;
  /** Ours: path of the control group. */
  readonly CGroup?: string;
  /** ExecID names one run of one program on its host for ever, over reuse of pids. */
  readonly ExecEvent?: { readonly ExecID: string; readonly ExecutableName: string };
  /** Ours: the processes above, nearest first, at most eight. */
  readonly Parents?: readonly AlertParent[];
  readonly ParentProcessName?: string;
  readonly ProcessName: string;
  /** Name of the policy, or `DefaultPosture`; of what was watched `visibility/CLASS`. */
  readonly PolicyName: string;
  readonly Severity?: string;
  readonly Tags?: string;
  readonly ATags?: readonly string[];
  readonly Message?: string;
  /** Ours: `SensorGuard`, an attempt on the sensor itself. `HostLog` is no alert: it was only watched. */
  readonly Type: 'MatchedHostPolicy' | 'SystemEvent' | 'SensorGuard' | 'HostLog';
  readonly Source: string;
  readonly Operation: 'Process' | 'File' | 'Network' | 'Capabilities' | 'Syscall' | 'Device';
  readonly Resource: string;
  /** Ours: of the object, `major:minor` and decimal. */
  readonly Device?: string;
  readonly Inode?: string;
  readonly Data: string;
  readonly Enforcer: 'AppArmor' | 'BPFLSM' | 'USBDeviceHandler' | 'eBPF Monitor';
  readonly Action: 'Block' | 'Audit' | 'Allow';
  readonly Result: 'Permission denied' | 'Passed';
  readonly NodeID: string;
  /** Ours: unique and sortable within a node, `<bootedAt ms>-<sequence>`; with NodeID globally unique. */
  readonly EventID: string;
  readonly Node: string;
  readonly RuleID?: string;
  readonly PolicyRevision?: string;
  /** Of the assignment under which it was judged, decimal. */
  readonly Generation?: string;
  /** How many more of this rule and process there were since the last alert. */
  readonly Suppressed: number;
}

/** A process above the one that acted. */
export interface AlertParent {
  readonly PID: number;
  readonly Name: string;
  readonly ExecID?: string;
}

/** A run of an agent, by the last report that it wrote: what tells two machines of one identity apart. */
export interface AgentRun {
  /** ISO 8601. */
  readonly bootedAt: string;
  readonly sequence: number;
}

/** One entry of the host's event stream before sealing: alerts in order, the last one's id is the cursor. */
export interface AlertBatch {
  readonly v: 1;
  readonly run: AgentRun;
  readonly first: string;
  readonly last: string;
  /** What was only watched, numbered and stored for itself; absent: alerts. */
  readonly kind?: 'observed';
  readonly alerts: readonly Alert[];
}

/**
 * Sealed into `hw:n:{id}:cur`: everything up to this event id is in the store; `0-0` where no alert ever came. `observed`
 * is the same of what was only watched.
 */
export interface EventCursor {
  readonly v: 1;
  readonly last: string;
  readonly observed?: string;
}
