/**
 * What a valid policy says that its author may not mean. All of it is warnings: such policies are accepted by KubeArmor,
 * and each rule's state on each host says what became of it.
 */
import type { Path, Report } from './finding.js';
import type { Attributes, HostPolicy, HostPolicySpec, ProcessPath, Source } from './kinds.js';
import type { RuleCode } from './rule-codes.js';
import { rulesOf } from './rules-of.js';
import type { Rule } from './rule.js';
import { commaList } from './selector.js';
import { shortestPath } from './shortest-path.js';
import { isCapability, isProtocol } from './text-rules.js';

interface Entry {
  readonly path: Path;
  readonly value: Attributes & { readonly fromSource?: readonly Source[] } & Readonly<
      Record<string, unknown>
    >;
}

/** Reports what is odd about a policy that is valid. */
export function checkMeaning(policy: HostPolicy, report: Report): void {
  const warn = (
    path: Path,
    value: unknown,
    rule: RuleCode,
    message: string,
    remedy: string,
  ): void => report({ severity: 'warning', path, value, rule, message, remedy });
  const { spec } = policy;
  if (spec.apparmor) {
    const message =
      "text in AppArmor's language is not applied; its state is unsupported on every host";
    warn(
      ['spec', 'apparmor'],
      undefined,
      'native-profile',
      message,
      'say it with process, file, network or capabilities rules',
    );
  }
  checkSyscalls(spec, warn);
  for (const entry of entriesOf(spec)) checkEntry(entry, warn);
  checkRules(rulesOf(policy), warn);
}

type Warn = (path: Path, value: unknown, rule: RuleCode, message: string, remedy: string) => void;

/** Every rule entry of the document with its place. */
function entriesOf(spec: HostPolicySpec): readonly Entry[] {
  const sections = [
    spec.process,
    spec.file,
    spec.network,
    spec.capabilities,
    spec.syscalls,
    spec.device,
  ];
  const names = ['process', 'file', 'network', 'capabilities', 'syscalls', 'device'];
  return sections.flatMap((section, at) =>
    Object.entries(section ?? {}).flatMap(([list, entries]) =>
      list.startsWith('match') && Array.isArray(entries)
        ? entries.map((value: Entry['value'], index) => ({
            path: ['spec', names[at] ?? '', list, index],
            value,
          }))
        : [],
    ),
  );
}

function checkSyscalls(spec: HostPolicySpec, warn: Warn): void {
  if (spec.syscalls === undefined || spec.action === undefined || spec.action === 'Audit') return;
  const message = `system calls are observed, as in KubeArmor: ${spec.action} has no effect on them`;
  warn(
    ['spec', 'syscalls'],
    spec.action,
    'observe-only',
    message,
    'write action: Audit, or block what the call acts on',
  );
}

function checkEntry({ path, value }: Entry, warn: Warn): void {
  if (path[1] === 'process' && path[2] === 'matchPaths') checkProgram(value, path, warn);
  checkSources(value.fromSource, path, warn);
  for (const field of ['path', 'dir'] as const) checkPath(value[field], [...path, field], warn);
  checkLiteral(value['execname'], [...path, 'execname'], warn);
  checkPattern(value['pattern'], [...path, 'pattern'], warn);
  checkCommaList(value, path, warn);
}

function checkProgram({ path: file, execname }: ProcessPath, path: Path, warn: Warn): void {
  if (file === undefined && execname === undefined) {
    warn(
      path,
      undefined,
      'empty-rule',
      'it names no program and gives no rule',
      'add path or execname',
    );
  }
  if (file !== undefined && execname !== undefined) {
    const message = 'execname counts and path does not, as in KubeArmor';
    warn([...path, 'path'], file, 'execname-wins', message, 'remove one of them');
  }
}

function checkSources(sources: readonly Source[] | undefined, path: Path, warn: Warn): void {
  const unnamed = (source: Source): boolean => source.path === undefined && !('dir' in source);
  if (sources?.every(unnamed)) {
    const message = 'no source is named, so the rule holds for every program';
    warn(
      [...path, 'fromSource'],
      undefined,
      'empty-source',
      message,
      'add path, or remove fromSource',
    );
  }
  sources?.forEach((source, index) =>
    checkPath(source.path, [...path, 'fromSource', index, 'path'], warn),
  );
}

function checkPath(value: unknown, path: Path, warn: Warn): void {
  if (typeof value !== 'string') return;
  checkLiteral(value, path, warn);
  const short = shortestPath(value);
  if (short !== value)
    warn(path, value, 'corrected-path', `it is read as ${short}`, `write ${short}`);
  if (!short.split('/').includes('..')) return;
  const message = 'a path with .. never matches: the kernel reports paths without it';
  warn(path, value, 'never-matches', message, 'write the path without ..');
}

/** KubeArmor hands paths to AppArmor as they are, where these stand for others. */
function checkLiteral(value: unknown, path: Path, warn: Warn): void {
  if (typeof value !== 'string' || !/[*?]|\[.+\]|\{.+\}/.test(value)) return;
  const message = 'wildcards stand for themselves here: only a file of this very name is meant';
  const remedy = path.includes('fromSource')
    ? 'name each program'
    : 'use matchPatterns, or matchDirectories with recursive';
  warn(path, value, 'literal-wildcard', message, remedy);
}

function checkPattern(value: unknown, path: Path, warn: Warn): void {
  if (typeof value !== 'string' || value.startsWith('/')) return;
  const message = 'a pattern that does not begin with a slash matches no path';
  warn(path, value, 'never-matches', message, 'begin it with / or /**/');
}

function checkCommaList(value: Entry['value'], path: Path, warn: Warn): void {
  for (const field of ['protocol', 'domain', 'capability'] as const) {
    const written = value[field];
    if (typeof written !== 'string') continue;
    const elements = commaList(written);
    if (elements.length > 1) {
      const message = `it is read as ${elements.length} rules`;
      warn(
        [...path, field],
        written,
        'comma-list',
        message,
        'write one rule each to give each its own severity',
      );
    }
    if (elements.length === 0) {
      warn(
        [...path, field],
        written,
        'empty-rule',
        `it names no ${field} and gives no rule`,
        `name a ${field}`,
      );
    }
    for (const element of elements) checkElement(field, element, [...path, field], warn);
  }
}

function checkElement(
  field: 'protocol' | 'domain' | 'capability',
  element: string,
  path: Path,
  warn: Warn,
): void {
  const name = element.toLowerCase();
  if (field === 'protocol' && !isProtocol(name)) {
    const message = `there is no protocol ${element}; its state is unsupported on every host`;
    warn(path, element, 'unknown-protocol', message, 'correct the name');
  }
  if (field === 'capability' && !isCapability(name.replace(/^cap_/, ''))) {
    const message = `there is no capability ${element}; its state is unsupported on every host`;
    warn(
      path,
      element,
      'unknown-capability',
      message,
      'write the name of capabilities(7) in lower case',
    );
  }
  if (field === 'domain') checkDomain(name, element, path, warn);
}

function checkDomain(name: string, element: string, path: Path, warn: Warn): void {
  const domain = name.replace(/^\*\./, '');
  if (!/^(?=.*[^.])[-a-z0-9_.]{1,254}$/.test(domain)) {
    const message = 'no name in the DNS looks like this';
    warn(path, element, 'never-matches', message, 'write a domain such as evil.example');
  } else if (domain !== name) {
    const message = `it is read as ${domain}: the domain itself and every name below it`;
    warn(path, element, 'wildcard-domain', message, `write ${domain}`);
  }
}

function checkRules(rules: readonly Rule[], warn: Warn): void {
  if (rules.length === 0) {
    warn(['spec'], undefined, 'no-rules', 'the policy has no rules and does nothing', 'add a rule');
  }
  const open = rules.find(
    ({ action, tier, sources, object }) =>
      action === 'Allow' && tier === 'normal' && sources.length === 0 && object.kind !== 'device',
  );
  if (open === undefined) return;
  const section = open.id.split('/')[0] ?? '';
  const message = `Allow without fromSource makes ${section} an allow-list for the whole host: ${open.id}`;
  warn(
    ['spec', section],
    undefined,
    'allow-list',
    message,
    'name the program with fromSource if only it is meant',
  );
}
