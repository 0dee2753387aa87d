import type { CompileReport } from '#policy-compiler';

const PLANS = ['enforce', 'audit', 'overruled', 'unsupported', 'failed', 'refused'];

/**
 * The compiler's report out of the sensor's state (base64 of JSON), or undefined where there is none or another
 * version's. What the status is built from is checked; the attribution table is the compiler's own and handed back
 * to it by `attribute`.
 */
export function parseCompileReport(base64: string | undefined): CompileReport | undefined {
  if (base64 === undefined || base64 === '') return undefined;
  const report = parseJson(Buffer.from(base64, 'base64').toString('utf8')) as
    CompileReport | undefined;
  if (report?.v !== 1 || report.attribution?.v !== 1 || !Array.isArray(report.policies))
    return undefined;
  if (!['string', 'undefined'].includes(typeof report.enforcerReason)) return undefined;
  return report.policies.every(isPolicyReport) ? report : undefined;
}

function isPolicyReport(value: CompileReport['policies'][number] | null): boolean {
  const rules: unknown = value?.rules;
  return (
    typeof value?.policy === 'string' &&
    /^\d+$/.test(value.revision) &&
    isDocument(value.document) &&
    Array.isArray(rules) &&
    rules.every(isRuleReport)
  );
}

function isDocument(value: CompileReport['policies'][number]['document'] | null): boolean {
  if (value === undefined) return true;
  return Number.isSafeInteger(value?.version) && /^[0-9a-f]{64}$/.test(value?.digest ?? '');
}

function isRuleReport(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('id' in value && 'plan' in value))
    return false;
  return typeof value.id === 'string' && PLANS.includes(String(value.plan));
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
