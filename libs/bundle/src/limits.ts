/** Upper bounds, in bytes unless named otherwise; larger is refused with `too-large` before anything is parsed. */
export const limits = {
  rootBytes: 64 * 1024,
  commitBytes: 4 * 1024,
  policyBytes: 1024 * 1024,
  /** Plaintext; a suspension's reason is the only part of free length. */
  assignmentBytes: 8 * 1024,
  /** Ciphertext. Base64 of it and a record must fit a frame of the sensor's socket (32 MiB). */
  bundleBytes: 16 * 1024 * 1024,
  recordBytes: 1024 * 1024,
  reportBytes: 4 * 1024 * 1024,
  eventBatchBytes: 1024 * 1024,
  cursorBytes: 1024,
  policiesPerBundle: 4096,
  signaturesPerDocument: 16,
  keysPerRole: 64,
  /** A delivery may carry the root documents that a host has missed, oldest first. */
  rootsPerRecord: 16,
  reasonChars: 1024,
  nameChars: 253,
  /** Levels of nesting in any document; Kubernetes' own policies stay below 12. */
  jsonDepth: 64,
} as const;
