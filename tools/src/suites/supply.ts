import { auditProduct } from '../supply/audit-product.js';
import type { Outcome } from './outcome.js';

const NAME = 'no vulnerability is known in what is shipped';

/** One test: what `hostward audit` finds; skipped, with the reason, where the registry cannot tell. */
export async function runAudit(root: string): Promise<Outcome> {
  const audit = await auditProduct(root);
  if (audit.verdict === 'unknown') {
    return {
      passed: 0,
      failed: [],
      skipped: [`${NAME} (the registry cannot tell: ${audit.reason})`],
    };
  }
  for (const line of audit.found) console.log(line);
  return audit.verdict === 'clean'
    ? { passed: 1, failed: [], skipped: [] }
    : { passed: 0, failed: [NAME], skipped: [] };
}
