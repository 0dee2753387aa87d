/** Upper bounds, in bytes unless named otherwise; larger is refused with `too-large` before anything is parsed. */
export const limits = {
  rootBytes: 64 * 1024,
  commitBytes: 4 * 1024,
  policyBytes: 1024 * 1024,
  /** The signed labels of one host. */
  labelsBytes: 32 * 1024,
  /** Plaintext; in authored mode it carries the host's signed labels. */
  assignmentBytes: 64 * 1024,
  /** What a host keeps of versions it has seen, as JSON. */
  minimumVersionsBytes: 1024 * 1024,
  /** Ciphertext. Base64 of it and a record must fit a frame of the sensor's socket (32 MiB). */
  bundleBytes: 16 * 1024 * 1024,
  recordBytes: 1024 * 1024,
  /** What a host says of itself, signed. */
  signedStatusBytes: 1024 * 1024,
  /** Its envelope, as JSON. */
  signedStatusEnvelopeBytes: 1536 * 1024,
  /** An order to go to another control plane, with the ids of the hosts that it is for. */
  redirectBytes: 128 * 1024,
  nodesPerRedirect: 1024,
  urlChars: 512,
  fleetProofBytes: 1024,
  auditLogHeadsPerHost: 6,
  reportBytes: 4 * 1024 * 1024,
  eventBatchBytes: 1024 * 1024,
  cursorBytes: 1024,
  policiesPerBundle: 4096,
  groupsPerBundle: 1024,
  suspensionsPerBundle: 1024,
  labelsPerNode: 256,
  signaturesPerDocument: 16,
  keysPerRole: 64,
  /** A delivery may carry the root documents that a host has missed, oldest first. */
  rootsPerRecord: 16,
  reasonChars: 1024,
  nameChars: 253,
  /** Levels of nesting in any document; Kubernetes' own policies stay below 12. */
  jsonDepth: 64,
} as const;
