import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shellWord, type Finding } from '#contracts';
import { packageRoot } from '../product/package-root.js';
import { HostFailure, type FailureCode } from './failure.js';

const CODES: Readonly<Record<string, FailureCode>> = {
  architecture: 'architecture',
  glibc: 'old-glibc',
  systemd: 'no-systemd',
  lsm: 'no-lsm',
  'apparmor-parser': 'no-lsm',
  writable: 'read-only',
  'disk-usr': 'disk-full',
  'disk-var': 'disk-full',
  clock: 'clock-skew',
  'name-resolution': 'no-route-back',
  route: 'no-route-back',
};
/** What a host that only observes can do without. */
const OF_ENFORCERS: readonly string[] = ['lsm', 'apparmor-parser'];

/** The script that hosts are looked at by; it goes to them on standard input. */
export function preflightText(): Promise<string> {
  return readFile(join(packageRoot(), 'tools', 'host', 'preflight.sh'), 'utf8');
}

/** Runs preflightText from standard input; ends well also where a check failed. */
export function preflightScript(url: string): string {
  return `sh -s -- --url ${shellWord(url)} || [ $? -eq 1 ]`;
}

/** What the script found: causes that keep the machine out, in its order, and what is only said. */
export function parsePreflight(
  text: string,
  enforcer: string | undefined,
): { readonly failures: readonly HostFailure[]; readonly warnings: readonly string[] } {
  const verdicts = parseVerdicts(text);
  const failed = verdicts.filter(
    ({ check, verdict }) =>
      verdict === 'failed' && !(enforcer === 'observe' && OF_ENFORCERS.includes(check)),
  );
  return {
    failures: failed.map(
      ({ check, cause, remedy }) =>
        new HostFailure(CODES[check] ?? 'unforeseen', cause, { remedy: remedy || undefined }),
    ),
    warnings: verdicts
      .filter(({ verdict }) => verdict === 'warning')
      .map(({ check, cause }) => `${check}: ${cause}`),
  };
}

/** Every line that the script said, in its order. Throws HostFailure where it is none of its lines, or nothing. */
export function parseVerdicts(text: string): readonly Finding[] {
  const verdicts = text.split('\n').filter(Boolean).map(verdictOf);
  if (verdicts.length > 0) return verdicts;
  throw new HostFailure('unforeseen', 'it does not answer as a host does: nothing was said');
}

function verdictOf(line: string): Finding {
  try {
    const value = JSON.parse(line) as Partial<Finding> | null;
    const { check, verdict, cause, remedy } = { ...value };
    const known = verdict === 'ok' || verdict === 'warning' || verdict === 'failed';
    if (known && [check, cause, remedy].every((each) => typeof each === 'string'))
      return value as Finding;
  } catch {
    // Told below: it is no line of the script.
  }
  throw new HostFailure('unforeseen', `it does not answer as a host does: ${line.slice(0, 300)}`);
}
