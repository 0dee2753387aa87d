export { RefusedError } from './errors.js';
export type { RefusalCode } from './errors.js';
export { limits } from './limits.js';
export { canonicalBytes } from './canonical.js';
export { sha256Hex } from './encoding.js';
export { compareOrdering } from './ordering.js';
export { generateSigningKey, keyIdOf, loadSigner } from './signing-key.js';
export type { PublicKey, Signer, SigningKey } from './signing-key.js';
export { parseSignedDocument, payloadTypes, preAuthEncoding, withSignature } from './dsse.js';
export type { SignedDocument } from './dsse.js';
export { forgetSignatures } from './signature-memory.js';
export { MerkleTree, verifyInclusion } from './merkle.js';
export type { InclusionProof } from './merkle.js';
export { generateHostKey, generateSealingKey, rememberingOpener, sealHostKey } from './host-key.js';
export type { HostKeyOpener, SealingKey } from './host-key.js';
export { openReplicaKeys, sealReplicaKeys } from './replica-keys.js';
export {
  openCursor,
  openEvents,
  openReport,
  openStatement,
  sealCursor,
  sealEvents,
  sealReport,
  sealStatement,
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
export { NO_FLOORS, decodeFloors, encodeFloors } from './floors.js';
export type { Floors } from './floors.js';
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
  JOURNAL_START,
  brokenJournalAt,
  followsInJournal,
  journalEntry,
  signJournalHead,
  verifyJournalHead,
} from './journal.js';
export { signRestoration, verifyRestoration } from './restoration.js';
export type { Restoration } from './restoration.js';
export type { JournalContent, JournalEntry, JournalHead, JournalPoint } from './journal.js';
export { isForked, journalHeadName, keepHead } from './journal-heads.js';
export type { SeenHead } from './journal-heads.js';
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
  RedirectFloor,
  RedirectTarget,
  VerifiedRedirect,
} from './redirect.js';
export { signPace, verifyPace } from './pace.js';
export type { PaceOrder } from './pace.js';
export { signFleetProof, verifyFleetProof } from './fleet-proof.js';
export type { FleetProof } from './fleet-proof.js';
export { signStatement, verifyStatement } from './statement.js';
export type { HostStatement, StatedPolicy } from './statement.js';
