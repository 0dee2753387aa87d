export { CertificateRefusedError } from './errors.js';
export type { CertificateRefusal } from './errors.js';
export { createAuthority } from './authority.js';
export { issueClient, issueServer, issueServiceClient } from './leaf.js';
export type { KeyAndCertificate } from './issue.js';
export { checkCsr, createCsr } from './request.js';
export { fingerprint, parseCertificate, verifyCertificate } from './certificate.js';
export { fetchTrusting } from './fetch-trusting.js';
export type { CertificateFacts } from './certificate.js';
