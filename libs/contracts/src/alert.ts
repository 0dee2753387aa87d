/** An alert with KubeArmor's field names (facts: alert message of its LogService), and what it lacks. */
export interface Alert {
  readonly Timestamp: number;
  readonly UpdatedTime: string;
  readonly ClusterName: string;
  readonly HostName: string;
  readonly HostPID: number;
  readonly PID: number;
  readonly UID: number;
  readonly ParentProcessName?: string;
  readonly ProcessName: string;
  /** Name of the policy, or `DefaultPosture`. */
  readonly PolicyName: string;
  readonly Severity?: string;
  readonly Tags?: string;
  readonly ATags?: readonly string[];
  readonly Message?: string;
  readonly Type: 'MatchedHostPolicy' | 'SystemEvent';
  readonly Source: string;
  readonly Operation: 'Process' | 'File' | 'Network' | 'Capabilities' | 'Syscall' | 'Device';
  readonly Resource: string;
  readonly Data: string;
  readonly Enforcer: 'AppArmor' | 'BPFLSM';
  readonly Action: 'Block' | 'Audit' | 'Allow';
  readonly Result: 'Permission denied' | 'Passed';
  readonly NodeID: string;
  /** Ours: unique and sortable within a node, `<bootedAt ms>-<sequence>`; with NodeID globally unique. */
  readonly EventID: string;
  readonly Node: string;
  readonly RuleID?: string;
  readonly PolicyRevision?: string;
  readonly Suppressed: number;
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
  readonly alerts: readonly Alert[];
}

/** Sealed into `hw:n:{id}:cur`: everything up to this event id is in the store. */
export interface EventCursor {
  readonly v: 1;
  readonly last: string;
}
