import { type AuditException, holds } from './audit-exceptions.js';

/** A known vulnerability of a package that is shipped. */
export interface Advisory {
  readonly id: string;
  readonly package: string;
  readonly severity: string;
  readonly title: string;
  readonly url: string;
}

/** What a registry said: its advisories, or why it could not say anything. */
export type AuditReport =
  | { readonly kind: 'advisories'; readonly advisories: readonly Advisory[] }
  | { readonly kind: 'unavailable'; readonly reason: string };

interface NpmReport {
  readonly vulnerabilities?: Readonly<Record<string, { readonly via: readonly unknown[] }>>;
  readonly message?: string;
}

/** Reads what `npm audit --json` printed; a registry without that endpoint is no clean bill. */
export function readReport(stdout: string, stderr: string): AuditReport {
  const report = parsed(stdout);
  const { vulnerabilities } = report;
  if (vulnerabilities === undefined) {
    const reason = report.message ?? (stderr.trim().split('\n')[0] || 'npm said nothing');
    return { kind: 'unavailable', reason };
  }
  const all = Object.values(vulnerabilities).flatMap(({ via }) => via.flatMap(advisoryOf));
  return {
    kind: 'advisories',
    advisories: [...new Map(all.map((each) => [keyOf(each), each])).values()],
  };
}

/** Advisories that no exception in force covers, and exceptions that have ended or cover nothing. */
export function judge(
  advisories: readonly Advisory[],
  exceptions: readonly AuditException[],
  now: number,
): { readonly open: readonly Advisory[]; readonly idle: readonly AuditException[] } {
  const covers = (exception: AuditException, advisory: Advisory): boolean =>
    exception.advisory === advisory.id && exception.package === advisory.package;
  const inForce = exceptions.filter((exception) => holds(exception, now));
  return {
    open: advisories.filter((advisory) => !inForce.some((each) => covers(each, advisory))),
    idle: exceptions.filter(
      (exception) =>
        !inForce.includes(exception) || !advisories.some((each) => covers(exception, each)),
    ),
  };
}

function keyOf({ id, package: name }: Advisory): string {
  return `${id} ${name}`;
}

function parsed(text: string): NpmReport {
  try {
    return JSON.parse(text) as NpmReport;
  } catch {
    return {};
  }
}

/** `via` holds advisories, and names of packages whose advisories stand elsewhere in the report. */
function advisoryOf(via: unknown): readonly Advisory[] {
  if (typeof via !== 'object' || via === null) return [];
  const fields = new Map<string, unknown>(Object.entries(via));
  const text = (name: string): string => {
    const value = fields.get(name);
    return typeof value === 'string' ? value : '';
  };
  const url = text('url');
  const id = url.slice(url.lastIndexOf('/') + 1);
  return [{ id, package: text('name'), severity: text('severity'), title: text('title'), url }];
}
