export { RefusedError } from './errors.js';
export type { RefusalCode } from './errors.js';
export { limits } from './limits.js';
export { canonicalBytes } from './canonical.js';
export { sha256Hex } from './encoding.js';
export { compareAssignmentVersion } from './assignment-version.js';
export { generateSigningKey, keyIdOf, loadSigner } from './signing-key.js';
export type { PublicKey, Signer, SigningKey } from './signing-key.js';
export { parseSignedDocument, payloadTypes, preAuthEncoding, withSignature } from './dsse.js';
export type { SignedDocument } from './dsse.js';
export { forgetSignatures } from './signature-memory.js';
export { MerkleTree, verifyInclusion } from './merkle.js';
export type { InclusionProof } from './merkle.js';
export {
  generateChannelKey,
  generateSealingKey,
  rememberingOpener,
  sealChannelKey,
} from './channel-key.js';
export type { ChannelKeyOpener, SealingKey } from './channel-key.js';
export { openReplicaKeys, sealReplicaKeys } from './replica-keys.js';
export {
  openCursor,
  openEvents,
  openReport,
  openSignedStatus,
  sealCursor,
  sealEvents,
  sealReport,
  sealSignedStatus,
} from './host-channel.js';
export { followRoots, inspectRoot, rootPayload, signRoot, trustRoot } from './root.js';
export type { RootDocument, TrustedRoot } from './root.js';
export { AUTHORED_KINDS, mayAuthor, maySucceed } from './author.js';
export type { Author, AuthorScope, AuthoredKind, Need } from './author.js';
export {
  authoredPayload,
  signAuthored,
  verifyAuthored,
  verifyLabels,
  verifySuspension,
} from './authored.js';
export type { Authored, AuthoredDocument, LabelsDocument } from './authored.js';
export { characterOf, selectAuthored } from './authored-set.js';
export type { AuthoredPolicy } from './authored-set.js';
export type { SuspensionDocument, SuspensionTarget } from './suspension.js';
export {
  NO_MINIMUM_VERSIONS,
  decodeMinimumVersions,
  encodeMinimumVersions,
} from './minimum-versions.js';
export type { MinimumVersions } from './minimum-versions.js';
export { signPolicy } from './policy.js';
export type { PolicyDocument } from './policy.js';
export type { CommitDocument } from './commit.js';
export { openAssignment } from './assignment.js';
export type { Assignment, SuspensionOrder } from './assignment.js';
export { openBundle, sealBundle } from './bundle.js';
export type { BundledDocument, BundlePolicy, SealedBundle } from './bundle.js';
export { decodeEnvelope, encodeEnvelope, parseDeliveryRecord } from './record.js';
export { buildCommit } from './build-commit.js';
export type { AssignmentInput, Commit, CommitInput } from './build-commit.js';
export { verifyAssignment, verifyDelivery, verifyRoot, withDocuments } from './verify-delivery.js';
export type {
  AssignmentInquiry,
  DeliveryInquiry,
  VerifiedAssignment,
  VerifiedDelivery,
  VerifiedPolicy,
} from './verify-delivery.js';
export { attestationMessage, signEnrollment, verifyEnrollment } from './enrollment.js';
export {
  AUDIT_LOG_START,
  brokenAuditLogAt,
  followsInAuditLog,
  auditLogEntry,
  signAuditLogHead,
  verifyAuditLogHead,
} from './audit-log.js';
export { signRestoration, verifyRestoration } from './restoration.js';
export type { Restoration } from './restoration.js';
export type { AuditLogContent, AuditLogEntry, AuditLogHead, AuditLogPoint } from './audit-log.js';
export { isForked, auditLogHeadName, keepHead } from './audit-log-heads.js';
export type { SeenHead } from './audit-log-heads.js';
export {
  checkRedirect,
  isRedirected,
  parseControlPlaneAddress,
  redirectPayload,
  rootBinding,
  signRedirect,
  verifyRedirect,
} from './redirect.js';
export type {
  ControlPlaneAddress,
  RedirectDocument,
  RedirectMinimumVersion,
  RedirectTarget,
  VerifiedRedirect,
} from './redirect.js';
export { signPace, verifyPace } from './pace.js';
export type { PaceOrder } from './pace.js';
export { signFleetProof, verifyFleetProof } from './fleet-proof.js';
export type { FleetProof } from './fleet-proof.js';
export { signStatus, verifySignedStatus } from './signed-status.js';
export type { HostSignedStatus, StatedPolicy } from './signed-status.js';
