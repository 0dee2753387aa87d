import { readFileSync } from 'node:fs';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';

/** A vulnerability that is known, judged and borne until a day. */
export interface AuditException {
  /** The advisory, e.g. GHSA-xxxx-xxxx-xxxx. */
  readonly advisory: string;
  readonly package: string;
  /** Why it does no harm here. */
  readonly reason: string;
  /** The last day on which it holds, YYYY-MM-DD. */
  readonly expires: string;
}

const TEXTS = ['advisory', 'package', 'reason', 'expires'] as const;
const MAX_DAYS = 180;
const DAY_MS = 86_400_000;

/** Reads the list; throws CommandFailed for one that says less, or for longer, than it must. */
export function readExceptions(file: string, now: number): readonly AuditException[] {
  const list: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!Array.isArray(list)) throw new CommandFailed(`${file}: must be a list`);
  return list.map((entry: unknown, index) => checked(entry, `${file}: entry ${index}`, now));
}

function checked(entry: unknown, place: string, now: number): AuditException {
  const fields = new Map<string, unknown>(Object.entries(entry ?? {}));
  const text = (name: (typeof TEXTS)[number]): string => {
    const value = fields.get(name);
    if (typeof value === 'string' && value.trim() !== '') return value;
    throw new CommandFailed(`${place}: "${name}" must say something`);
  };
  const [advisory, name, reason, expires] = TEXTS.map(text) as [string, string, string, string];
  const end = Date.parse(`${expires}T23:59:59Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(expires) || Number.isNaN(end))
    throw new CommandFailed(`${place}: "expires" must be a day, YYYY-MM-DD`);
  if (end > now + MAX_DAYS * DAY_MS)
    throw new CommandFailed(`${place}: "expires" is more than ${MAX_DAYS} days away`);
  return { advisory, package: name, reason, expires };
}

/** Whether the exception still holds at this time. */
export function holds({ expires }: AuditException, now: number): boolean {
  return now <= Date.parse(`${expires}T23:59:59Z`);
}
