import { basename } from 'node:path';
import { failed, fine, warned, type Finding } from '#contracts';
import type { CertificateValidity } from '../certificates/own-certificates.js';
import type { ReplacementPhase } from '../certificates/authorities.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const CA_WARNED_MS = 90 * DAY_MS;
const ROOT_WARNED_MS = 30 * DAY_MS;
/** Leaf certificates of `up` live a day and are made anew at half of it. */
const LEAF_WARNED_MS = 6 * HOUR_MS;

/** Whether the CA that signs ends soon, and whether a replacement was left in its middle. Pure. */
export function authorityFinding(notAfter: Date, phase: ReplacementPhase, nowMs: number): Finding {
  const check = 'ca';
  const until = notAfter.toISOString();
  const leftMs = notAfter.getTime() - nowMs;
  const replace = 'replace it while everything runs: hostward ca begin, switch, finish';
  if (leftMs <= 0) return failed(check, `the CA has expired at ${until}`, replace);
  if (leftMs < CA_WARNED_MS) return warned(check, `the CA expires at ${until}`, replace);
  if (phase !== 'settled')
    return warned(
      check,
      `the CA's replacement has ${phase} and is not finished`,
      'hostward ca status; then hostward ca switch --wait, hostward ca finish --wait',
    );
  return fine(check, `it counts until ${until}`);
}

/** Whether hosts go on believing what the online key signs. Pure. */
export function rootFinding(expiresAtMs: number, nowMs: number): Finding {
  const check = 'root-document';
  const until = new Date(expiresAtMs).toISOString();
  const remedy = 'sign the next one by its root keys: hostward root show, edit, sign, publish';
  if (expiresAtMs <= nowMs)
    return failed(
      check,
      `the root document has expired at ${until}: hosts take nothing new`,
      remedy,
    );
  if (expiresAtMs - nowMs < ROOT_WARNED_MS)
    return warned(check, `the root document expires at ${until}`, remedy);
  return fine(check, `it counts until ${until}`);
}

/** Whether our own certificates count and are renewed. Pure. */
export function certificateFindings(
  validities: readonly CertificateValidity[],
  nowMs: number,
): readonly Finding[] {
  return validities.map(({ file, notBefore, notAfter }) => {
    const check = `certificate-${basename(file)}`;
    const remedy = `make ${file} anew: \`up\` does so every few hours, see its log; else your own renewal`;
    if (notBefore === undefined || notAfter === undefined)
      return failed(check, `${file} cannot be read`, remedy);
    if (notBefore.getTime() > nowMs)
      return failed(check, `nobody takes it before ${notBefore.toISOString()}`, remedy);
    const until = notAfter.toISOString();
    const leftMs = notAfter.getTime() - nowMs;
    if (leftMs <= 0) return failed(check, `it has expired at ${until}`, remedy);
    return leftMs < LEAF_WARNED_MS
      ? warned(check, `it expires at ${until}, and was not renewed`, remedy)
      : fine(check, `it counts until ${until}`);
  });
}
