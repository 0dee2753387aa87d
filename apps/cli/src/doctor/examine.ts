import type { Finding } from '#contracts';
import { ControlPlane } from '../client/control-plane.js';
import type { Context } from '../client/context.js';
import { diagnosisFindings, auditLogFinding, tokenFinding } from './access-findings.js';
import { contextFinding } from './context-finding.js';
import { linkFindings } from './link-findings.js';
import { stackFindings } from './stack-findings.js';

/**
 * Looks for the usual faults from here to the last host. What cannot be looked at because of a fault before it is left
 * out: the first that failed is the one to mend.
 */
export async function examine(
  named: string | undefined,
  version: string,
): Promise<readonly Finding[]> {
  const { finding, context } = await contextFinding(named);
  if (context === undefined) return [finding];
  const found = [finding, ...(await stackFindings(context)), ...(await linkFindings(context))];
  // A wrong clock here keeps nobody from answering; a certificate that is not believed does.
  const cut = found.some(({ check, verdict }) => verdict === 'failed' && LINKS.has(check));
  return cut ? found : [...found, ...(await answersOf(context, version))];
}

const LINKS: ReadonlySet<string> = new Set(['name-resolution', 'port', 'certificate']);

async function answersOf(context: Context, version: string): Promise<readonly Finding[]> {
  const controlPlane = new ControlPlane(context);
  try {
    const token = await tokenFinding(controlPlane);
    if (token.verdict === 'failed') return [token];
    return [
      token,
      ...(await diagnosisFindings(controlPlane, version)),
      await auditLogFinding(controlPlane),
    ];
  } finally {
    controlPlane.close();
  }
}
