import { createHash } from 'node:crypto';
import type { HostPolicy, HostPolicySpec, RuleSet } from '#policy-model';

const RULES_A_POLICY = 100;
const SOURCES = ['/usr/sbin/nginx', '/usr/bin/python3.13', '/usr/lib/postgresql/17/bin/postgres'];
const CAPABILITIES = ['net_raw', 'sys_ptrace', 'sys_module', 'mknod'];
const PROTOCOLS = ['udp', 'icmp', 'raw', 'sctp'];

const ALL_BLOCKED = {
  nodeSelector: { matchLabels: { 'hostward.io/all-hosts': 'true' } },
  action: 'Block',
  severity: 5,
} as const;

/** One rule of the mix, added to the sections of a policy. */
type Kind = (sections: Sections, n: number) => void;

interface Sections {
  readonly processPaths: NonNullable<
    NonNullable<HostPolicySpec['process']>['matchPaths']
  >[number][];
  readonly filePaths: NonNullable<NonNullable<HostPolicySpec['file']>['matchPaths']>[number][];
  readonly directories: NonNullable<
    NonNullable<HostPolicySpec['file']>['matchDirectories']
  >[number][];
  readonly patterns: NonNullable<NonNullable<HostPolicySpec['file']>['matchPatterns']>[number][];
  readonly protocols: { protocol: string; fromSource: { path: string }[] }[];
  readonly capabilities: { capability: string; fromSource: { path: string }[] }[];
}

/** What ten rules in a row are: what community policies consist of, mostly exact paths. */
const MIX: readonly Kind[] = [
  (to, n) => to.filePaths.push({ path: `/srv/app-${word(n)}/secret.key` }),
  (to, n) => to.processPaths.push({ path: `/opt/tools-${word(n)}/bin/scan` }),
  (to, n) => to.filePaths.push({ path: `/etc/service-${word(n)}/config.yaml`, readOnly: true }),
  (to, n) => to.processPaths.push({ execname: `miner-${word(n)}` }),
  (to, n) => to.directories.push({ dir: `/var/lib/store-${word(n)}/`, recursive: true }),
  (to, n) => to.filePaths.push({ path: `/home/user-${word(n)}/.ssh/id_ed25519`, ownerOnly: true }),
  (to, n) => to.filePaths.push({ path: `/run/socket-${word(n)}`, fromSource: sourceOf(n) }),
  (to, n) => to.patterns.push({ pattern: `/srv/site-${word(n)}/*.php` }),
  (to, n) =>
    to.directories.push({ dir: `/usr/share/data-${word(n)}/`, recursive: true, readOnly: true }),
  (to, n) => cellOf(to, n),
];

/** A rule set of this many rules of mixed kinds, in policies of up to a hundred rules each. */
export function ruleSetOf(rules: number): RuleSet {
  const policies: HostPolicy[] = [];
  for (let first = 0; first < rules; first += RULES_A_POLICY) {
    policies.push(policyOf(first, Math.min(rules, first + RULES_A_POLICY)));
  }
  return { policies: policies.map((document) => ({ document, revision: '1' })) };
}

/** Paths that share little beside their beginning, and patterns over any depth, in policies of up to a hundred rules each. */
export function pathsAndPatterns(paths: number, patterns: number): RuleSet {
  const exact = Array.from({ length: paths }, (_, n) => ({
    path: `/usr/lib/package-${word(n)}/${word(paths + n)}.conf`,
  }));
  const wild = Array.from({ length: patterns }, (_, n) => ({
    pattern: `/srv/site-${word(n)}/**/${word(patterns + n)}.key`,
  }));
  const files = [
    ...inHundreds(exact).map((matchPaths) => ({ matchPaths })),
    ...inHundreds(wild).map((matchPatterns) => ({ matchPatterns })),
  ];
  const policies = files.map((file, at) => named(at, { ...ALL_BLOCKED, file }));
  return { policies: policies.map((document) => ({ document, revision: '1' })) };
}

/** A profile of this many bare deny lines: the least that the parser can be given for as many rules. */
export function bareProfile(lines: number): string {
  const rules = Array.from(
    { length: lines },
    (_, n) => `  deny /srv/app-${word(n)}/secret.key rw,`,
  );
  return `profile bare {\n${rules.join('\n')}\n}\n`;
}

function policyOf(from: number, to: number): HostPolicy {
  const sections: Sections = {
    processPaths: [],
    filePaths: [],
    directories: [],
    patterns: [],
    protocols: [],
    capabilities: [],
  };
  for (let n = from; n < to; n += 1) MIX[n % MIX.length]?.(sections, n);
  return named(from, specOf(sections));
}

function named(number: number, spec: HostPolicySpec): HostPolicy {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name: `bench-${String(number).padStart(5, '0')}` },
    spec,
  };
}

function inHundreds<T>(all: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(all.length / RULES_A_POLICY);
  return Array.from({ length: count }, (_, at) =>
    all.slice(at * RULES_A_POLICY, (at + 1) * RULES_A_POLICY),
  );
}

function specOf(sections: Sections): HostPolicySpec {
  const { processPaths, filePaths, directories, patterns, protocols, capabilities } = sections;
  return {
    ...ALL_BLOCKED,
    process: { matchPaths: processPaths },
    file: { matchPaths: filePaths, matchDirectories: directories, matchPatterns: patterns },
    network: { matchProtocols: protocols },
    capabilities: { matchCapabilities: capabilities },
  };
}

function cellOf({ protocols, capabilities }: Sections, n: number): void {
  const turn = Math.floor(n / MIX.length);
  if (turn % 2 === 0) protocols.push({ protocol: pick(PROTOCOLS, turn), fromSource: sourceOf(n) });
  else capabilities.push({ capability: pick(CAPABILITIES, turn), fromSource: sourceOf(n) });
}

function sourceOf(n: number): { path: string }[] {
  return [{ path: pick(SOURCES, Math.floor(n / MIX.length)) }];
}

function pick(from: readonly string[], turn: number): string {
  return from[turn % from.length] ?? '';
}

/** Names without a pattern: numbered ones would melt into a tiny automaton, which real paths do not. */
function word(n: number): string {
  return createHash('sha256').update(String(n)).digest('hex').slice(0, 8);
}
