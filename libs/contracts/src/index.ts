export { RULE_STATES, QUALIFIERS } from './status.js';
export type {
  CloneView,
  Coverage,
  CutOffView,
  Drift,
  Enforcer,
  NodePolicyStatus,
  NodeStatus,
  PolicyOnNode,
  PolicyStatus,
  Proof,
  Qualifier,
  RevocationView,
  RuleState,
  RuleStatus,
  Suspension,
} from './status.js';
export { REPORT_INTERVAL_MS, REPORT_VALID_MS } from './report.js';
export type { HostFacts, NodeReport, Ordering } from './report.js';
export { redisKeys } from './redis-keys.js';
export type { Ring } from './redis-keys.js';
export type { Check, DeliveryRecord, Envelope, Nudge } from './delivery.js';
export { ATTESTATIONS } from './enrollment.js';
export type { Attestation, AttestationKind, EnrollRequest, EnrollResponse } from './enrollment.js';
export type { AgentRun, Alert, AlertBatch, EventCursor } from './alert.js';
export type {
  AlertPage,
  ApplyDocument,
  ApplyResponse,
  ApplyVerdict,
  ExceptionView,
  ExplanationView,
  FieldError,
  GroupView,
  JoinTokenView,
  JournalEntryView,
  JournalHeadView,
  NodeView,
  Page,
  PolicyVersion,
  PolicyView,
  Problem,
  SelectorTestView,
  StatementView,
  SuspensionView,
} from './rest.js';
export { ROLES } from './people.js';
export type {
  ApiTokenView,
  CallerView,
  LoginAnswer,
  LoginMethods,
  Role,
  UserView,
} from './people.js';
export type {
  AuthoritiesView,
  AuthorityView,
  NextAuthority,
  TrustedByControlPlane,
  TrustedByHost,
} from './authorities.js';
