import { join } from 'node:path';
import { readExceptions } from './audit-exceptions.js';
import { judge, readReport } from './audit-report.js';
import { npm } from './npm.js';

/** Where exceptions stand, from the root of the project. */
export const EXCEPTIONS = 'tools/audit-exceptions.json';

/** What came of an audit: `found` are lines for people. */
export type Audit =
  | { readonly verdict: 'clean' | 'vulnerable'; readonly found: readonly string[] }
  | { readonly verdict: 'unknown'; readonly reason: string };

/** Asks the registry about all production dependencies, and takes off what is excepted. */
export async function auditProduct(root: string, now = Date.now()): Promise<Audit> {
  const exceptions = readExceptions(join(root, EXCEPTIONS), now);
  const { stdout, stderr } = await npm(root, ['audit', '--omit=dev', '--json']);
  const report = readReport(stdout, stderr);
  if (report.kind === 'unavailable') return { verdict: 'unknown', reason: report.reason };
  const { open, idle } = judge(report.advisories, exceptions, now);
  const found = [
    ...open.map((each) => `${each.severity}: ${each.package}: ${each.title} (${each.url})`),
    ...idle.map(
      (each) => `an exception that ended or covers nothing: ${each.advisory} (${each.package})`,
    ),
  ];
  return { verdict: open.length === 0 && idle.length === 0 ? 'clean' : 'vulnerable', found };
}
