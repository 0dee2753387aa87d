import {
  failed,
  fine,
  warned,
  type CallerView,
  type DiagnosisView,
  type Finding,
} from '#contracts';
import { RefusedError } from '#bundle';
import type { ControlPlane } from '../client/control-plane.js';
import { ProblemAnswer } from '../client/problem-answer.js';
import { CommandFailed } from '../output/errors.js';
import { keptHeadFile, readKeptHead } from '../audit-log/kept-head.js';
import { auditLogSource } from '../audit-log/audit-log-source.js';
import { verifyAuditLog } from '../audit-log/verify-audit-log.js';
import { rootIfPinned } from '../keys/pinned-root.js';

const DAY_MS = 86_400_000;
const SOON_MS = 3 * DAY_MS;

/** Whether the token is taken, and for how long. */
export async function tokenFinding(controlPlane: ControlPlane): Promise<Finding> {
  const check = 'token';
  const renew = 'hostward login, or make another token: hostward create api-token';
  try {
    const { actor, expiresAt } = await controlPlane.call<CallerView>('/v1/whoami');
    if (expiresAt === undefined) return fine(check, `you are ${actor}; it does not expire`);
    const leftMs = Date.parse(expiresAt) - Date.now();
    const text = `you are ${actor}; it expires at ${expiresAt}`;
    return leftMs < SOON_MS ? warned(check, text, renew) : fine(check, text);
  } catch (error) {
    return failed(check, wordsOf(error), renew);
  }
}

/** What the control plane finds of itself, its services and its hosts. */
export async function diagnosisFindings(
  controlPlane: ControlPlane,
  version: string,
): Promise<readonly Finding[]> {
  try {
    const { findings, hostVersions } = await controlPlane.call<DiagnosisView>('/v1/diagnosis');
    return [...findings, versionFinding(hostVersions, version)];
  } catch (error) {
    const remedy = 'see the log of the control plane; it needs a token of the whole fleet';
    return [failed('diagnosis', wordsOf(error), remedy)];
  }
}

/** Whether hosts run the version of this program. Pure. */
export function versionFinding(hosts: DiagnosisView['hostVersions'], version: string): Finding {
  const check = 'hosts-version';
  const others = Object.entries(hosts).filter(([each]) => each !== version);
  if (others.length === 0) return fine(check, `all that report run ${version}`);
  const text = others.map(([each, n]) => `${n} run${n === 1 ? 's' : ''} ${each}`).join(', ');
  return warned(check, `${text}; this is ${version}`, 'hostward node upgrade NAME says how');
}

/** Whether nobody has changed the audit log. A token that may not read it is no fault. */
export async function auditLogFinding(controlPlane: ControlPlane): Promise<Finding> {
  const check = 'audit-log-chain';
  const remedy = 'hostward audit-log verify; keep audit-log.db as evidence';
  const unread = 'mend what else has failed; then hostward audit-log verify';
  try {
    const kept = await readKeptHead(keptHeadFile(controlPlane));
    const root = await rootIfPinned(controlPlane, undefined);
    const source = auditLogSource(controlPlane);
    const verdict = await verifyAuditLog({ source, kept, keys: root?.document.online });
    return verdict.whole
      ? fine(check, `${verdict.verified} entries, whole`)
      : failed(check, `broken at entry ${verdict.badSeq}: ${verdict.why}`, remedy);
  } catch (error) {
    if (error instanceof ProblemAnswer && error.status === 403)
      return fine(check, 'not looked at: this token may not read the audit log');
    return failed(check, wordsOf(error), error instanceof RefusedError ? remedy : unread);
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof CommandFailed || error instanceof RefusedError) return error.message;
  throw error;
}
