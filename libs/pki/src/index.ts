export { AuthorityRefusedError, CertificateRefusedError } from './errors.js';
export type { CertificateRefusal } from './errors.js';
export { createAuthority } from './authority.js';
export { checkAuthority } from './check-authority.js';
export { issueClient, issueServer, issueServiceClient } from './leaf.js';
export type { KeyAndCertificate } from './issue.js';
export { checkCsr, createCsr } from './request.js';
export {
  certificatesIn,
  fingerprint,
  isIssuedBy,
  holderOf,
  parseCertificate,
  verifyCertificate,
} from './certificate.js';
export { fetchTrusting } from './fetch-trusting.js';
export type { CertificateFacts, CertificateHolder } from './certificate.js';
