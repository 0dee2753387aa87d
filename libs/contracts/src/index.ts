export {
  MAX_RULES_PER_POLICY,
  RULE_STATES,
  CONDITIONS,
  STATUS_NODES,
  breaksPromise,
} from './status.js';
export type {
  BpfLosses,
  CloneView,
  Coverage,
  CutOffView,
  Drift,
  Enforcer,
  Losses,
  NodePolicyStatus,
  NodeStatus,
  PolicyOnNode,
  PolicyRemains,
  PolicyStatus,
  Proof,
  Condition,
  ReasonGroup,
  RemainingNode,
  RolledBack,
  RevocationView,
  RuleState,
  RuleStatus,
  StatusGroup,
  Suspension,
  Visibility,
  VisibilityLosses,
} from './status.js';
export { durationMs } from './duration.js';
export { failed, findingText, fine, warned } from './finding.js';
export type { DiagnosisView, Finding } from './finding.js';
export {
  MAX_REPORT_INTERVAL_MS,
  REPORT_INTERVAL_MS,
  reportEveryMs,
  reportValidMs,
  returnWithinMs,
} from './report.js';
export type { HostFacts, NodeReport, AssignmentVersion } from './report.js';
export { redisKeys } from './redis-keys.js';
export type { Ring } from './redis-keys.js';
export { REDIRECT_STATES } from './redirect.js';
export type {
  FleetProofAnswer,
  FleetProofRequest,
  RedirectOffer,
  RedirectReport,
  RedirectView,
  RedirectedHosts,
} from './redirect.js';
export type { Check, DeliveryRecord, Envelope, Nudge } from './delivery.js';
export { SeededRandom } from './seeded-random.js';
export { SIMULATED_KERNEL } from './simulation.js';
export type {
  SimulatedHostPlan,
  SimulatedMark,
  SimulatedMarkKind,
  SimulationNews,
  SimulationOrder,
  SimulationPlan,
} from './simulation.js';
export { ATTESTATIONS } from './enrollment.js';
export { MOST_OTHER_NODES } from './enrollment.js';
export type {
  Attestation,
  AttestationKind,
  EnrollRequest,
  EnrollResponse,
  RedisEndpoint,
} from './enrollment.js';
export type { AgentRun, Alert, AlertBatch, AlertParent, EventCursor } from './alert.js';
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
  AuditLogEntryView,
  AuditLogHeadView,
  NodeView,
  Page,
  PolicyVersion,
  PolicyView,
  Problem,
  SelectorTestView,
  SignedStatusView,
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
export { HOST_ENFORCERS, HOST_STEPS, hostSettings, LOOK_AT_HOST, shellWord } from './host-steps.js';
export type { HostEnforcer, HostSettings } from './host-steps.js';
export { INSTALL_SCRIPT_FORMATS } from './onboarding.js';
export type {
  InstallScriptFormat,
  InstallScriptRequest,
  PackagesView,
  PackageView,
} from './onboarding.js';
export { hostPackage, MACHINES } from './host-package.js';
export type { HostPackage } from './host-package.js';
