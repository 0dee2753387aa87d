import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatDiagnostic, type HostPolicy, parseDocuments, type RuleSet } from '#policy-model';
import { compilePolicies } from './compile-policies.js';
import { lookAtHost } from './host-facts.js';
import { type OnceOptions, UsageError } from './options.js';

/**
 * Compiles a policy file of a person's own, without signatures, for this machine or a feature file: the profile texts,
 * their binaries and report.json go to a directory. Loads nothing.
 */
export async function compileOnce(options: OnceOptions): Promise<readonly string[]> {
  const ruleSet = readRuleSet(options.policies);
  const deadlineMs = Date.now() + options.compileTimeoutMs;
  const host = await lookAtHost(options.host, [], deadlineMs);
  const { compilation, binaries, dropIns } = await compilePolicies(ruleSet, host, deadlineMs);
  const { texts, report, profiles, probes } = compilation;
  const json = JSON.stringify({ ...report, profiles, probes, dropIns }, null, 2);
  return write(options.out, {
    'enforce.txt': texts.enforce,
    'audit.txt': texts.audit,
    'open.txt': texts.open,
    'enforce.bin': binaries.enforce,
    'audit.bin': binaries.audit,
    'open.bin': binaries.open,
    'report.json': `${json}\n`,
  });
}

function readRuleSet(file: string): RuleSet {
  const { documents, diagnostics } = parseDocuments(readFileSync(file, 'utf8'), {
    file,
    defaultSelector: 'all-hosts',
  });
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new UsageError(errors.map(formatDiagnostic).join('\n'));
  const policies = documents.flatMap(({ document }): readonly HostPolicy[] =>
    document?.kind === 'KubeArmorHostPolicy' ? [document] : [],
  );
  const sorted = [...policies].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return { policies: sorted.map((document) => ({ document, revision: '0' })) };
}

function write(dir: string, files: Readonly<Record<string, string | Buffer>>): readonly string[] {
  mkdirSync(dir, { recursive: true });
  return Object.entries(files).map(([name, content]) => {
    const file = join(dir, name);
    writeFileSync(file, content);
    return file;
  });
}
