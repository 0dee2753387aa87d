/**
 * What the CRD demands of each kind of text, and how the lenient mode corrects what breaks it. The predicates are
 * KubeArmor's patterns (facts 1.6) spelled as code: its patterns are searches, not whole matches, which `x,tcp` and
 * `cap_net_raw` pass; and as regular expressions some of them take quadratic time on hostile input.
 */
import { ACTIONS } from './kinds.js';
import type { RuleCode } from './rule-codes.js';
import { commaList } from './selector.js';
import { SYSCALL_NAMES } from './syscall-names.js';

/** A value in the lenient mode's words, and why; `value` undefined: as if it were not written. */
export interface Correction {
  readonly value: string | undefined;
  readonly rule: RuleCode;
  readonly message: string;
  /** Where that of the rule does not fit. */
  readonly remedy?: string;
}

export interface TextRule {
  readonly rule: RuleCode;
  readonly expects: string;
  readonly remedy: string;
  readonly accepts: (value: string) => boolean;
  /** At most so many code points in the CRD. */
  readonly maxLength?: number;
  readonly correct?: (value: string) => Correction | undefined;
}

const PROTOCOLS = [
  ...['tcp', 'udp', 'raw', 'icmp', 'icmpv6', 'sctp', 'stream', 'dgram', 'rdm', 'seqpacket', 'dccp'],
  ...['packet', 'all'],
];

const CAPABILITIES =
  `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
  net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin
  sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
  mac_admin`.split(/\s+/);

/** Of the kernel, and not of KubeArmor's CRD. */
const NEWER_CAPABILITIES = [
  ...[
    'syslog',
    'wake_alarm',
    'block_suspend',
    'audit_read',
    'perfmon',
    'bpf',
    'checkpoint_restore',
  ],
];

const ALL_CAPABILITIES = new Set([...CAPABILITIES, ...NEWER_CAPABILITIES]);

/** Whether the kernel has such a protocol or socket type, in lower case. */
export function isProtocol(name: string): boolean {
  return PROTOCOLS.includes(name);
}

/** Whether the kernel has such a capability, in lower case without `cap_`. */
export function isCapability(name: string): boolean {
  return ALL_CAPABILITIES.has(name);
}

/** CRD: `^\/+.*[^\/]$`. */
function isFilePath(value: string): boolean {
  return /^\/[^]/.test(value) && !value.endsWith('/') && !value.slice(1, -1).includes('\n');
}

/** CRD: `^\/$|^\/.*\/$`. */
function isDirectoryPath(value: string): boolean {
  return value.startsWith('/') && value.endsWith('/') && !value.includes('\n');
}

const endsWithOneOf = (names: readonly string[]) => (value: string) =>
  names.some((name) => value.endsWith(name));

const anyText: TextRule = {
  rule: 'wrong-type',
  expects: 'text',
  remedy: 'put it in quotes',
  accepts: () => true,
};

const action: TextRule = {
  rule: 'not-listed',
  expects: 'Allow, Audit or Block',
  remedy: 'write Allow, Audit or Block',
  accepts: (value) => ACTIONS.some((known) => known === value),
  correct: correctAction,
};

function correctAction(value: string): Correction | undefined {
  if (value === '') {
    return {
      value: undefined,
      rule: 'unset-value',
      message: 'an empty action is none: it is inherited',
    };
  }
  const known = ACTIONS.find((name) => name.toLowerCase() === value.trim().toLowerCase());
  return (
    known && { value: known, rule: 'corrected-case', message: `"${value}" is read as ${known}` }
  );
}

const file: TextRule = {
  rule: 'bad-path',
  expects: 'an absolute path that does not end in a slash',
  remedy: 'write the full path of the file, or name a directory by matchDirectories',
  accepts: isFilePath,
  maxLength: 200,
};

const directory: TextRule = {
  rule: 'bad-directory',
  expects: 'an absolute path that ends in a slash',
  remedy: 'write the full path of the directory with a slash at its end',
  accepts: isDirectoryPath,
  correct: correctDirectory,
};

function correctDirectory(value: string): Correction | undefined {
  if (!isFilePath(value)) return undefined;
  const written = `${value}/`;
  return {
    value: written,
    rule: 'corrected-directory',
    message: `a slash is missing: read as ${written}`,
  };
}

const fileOrDirectory: TextRule = {
  ...file,
  expects: 'an absolute path',
  remedy: 'write the full path',
  accepts: (value) => isFilePath(value) || isDirectoryPath(value),
  maxLength: undefined,
};

const execname: TextRule = {
  rule: 'bad-execname',
  expects: 'a file name without a slash',
  remedy: 'write the name only, or the full path as path',
  accepts: (value) => value !== '' && !value.includes('/'),
};

const protocol: TextRule = {
  rule: 'not-listed',
  expects: `one of ${PROTOCOLS.join(', ')}`,
  remedy: `write one of ${PROTOCOLS.join(', ')}`,
  accepts: endsWithOneOf(PROTOCOLS.flatMap((name) => [name, name.toUpperCase()])),
  correct: (value) => correctList(value, isProtocol),
};

const capability: TextRule = {
  rule: 'not-listed',
  expects: 'a Linux capability such as net_raw',
  remedy: 'write the name of capabilities(7) in lower case without CAP_',
  accepts: endsWithOneOf(CAPABILITIES),
  correct: (value) => correctList(value, isCapability),
};

/** Lower case without `cap_`, at every element of a comma list; undefined if an element is still not known. */
function correctList(value: string, known: (name: string) => boolean): Correction | undefined {
  const elements = commaList(value).map((element) => element.toLowerCase().replace(/^cap_/, ''));
  if (elements.length === 0 || !elements.every(known)) return undefined;
  const corrected = elements.join(',');
  // Only a capability of the kernel that the CRD lacks is refused as it should be written.
  if (corrected === value) return unlisted(value, 'newer-capability');
  return {
    value: corrected,
    rule: 'corrected-case',
    message: `"${value}" is read as ${corrected}`,
  };
}

const syscall: TextRule = {
  rule: 'not-listed',
  expects: 'the name of a system call',
  remedy: 'write the name of syscalls(2) in lower case',
  accepts: (value) => SYSCALL_NAMES.has(value),
  correct: correctSyscall,
};

function correctSyscall(value: string): Correction | undefined {
  const name = value.trim().toLowerCase();
  if (SYSCALL_NAMES.has(name)) {
    return { value: name, rule: 'corrected-case', message: `"${value}" is read as ${name}` };
  }
  if (!/^[a-z0-9_]{1,64}$/.test(name)) return undefined;
  return unlisted(name, 'unknown-syscall');
}

function unlisted(value: string, rule: RuleCode): Correction {
  const remedy = 'Hostward takes it; KubeArmor would not';
  return { value, rule, message: `KubeArmor does not list "${value}"`, remedy };
}

/** By what the schema calls them. */
export const textRules = {
  any: anyText,
  action,
  file,
  directory,
  fileOrDirectory,
  execname,
  protocol,
  capability,
  syscall,
} as const;
