import type { Finding } from '#contracts';

const KEYS = ['check', 'verdict', 'cause', 'remedy'] as const;
const VERDICTS: ReadonlySet<string> = new Set(['ok', 'warning', 'failed']);

/** Reads one line of preflight.sh. @throws Error if it is something else */
export function parseFinding(line: string): Finding {
  const value: unknown = JSON.parse(line);
  if (!isFinding(value)) throw new Error(`preflight.sh printed what is no finding: ${line}`);
  return value;
}

function isFinding(value: unknown): value is Finding {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return (
    KEYS.every((key) => typeof fields[key] === 'string') && VERDICTS.has(String(fields['verdict']))
  );
}
