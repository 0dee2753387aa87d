import { execFile } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  addressClients,
  systemdLibraries,
  waysToRoot,
  type HostCapabilities,
  type ProtectedPath,
} from '#policy-compiler';
import { attachedTo, readAttachments } from './attachments.js';
import { hasPriorities, PolicyParser } from './apparmor-parser.js';
import { existingPath } from './existing-path.js';
import { fileVersion } from './file-version.js';
import { needsOfLogins } from './logins.js';
import type { HostOptions } from './options.js';
import { pathResolver } from './resolve-paths.js';
import { readUnits, type Unit } from './units.js';
import type { OwnersWord } from './veto.js';

/** A host as the compiler found it, for one compilation. */
export interface Host {
  readonly capabilities: HostCapabilities;
  readonly units: readonly Unit[];
  /** Names that may be links, as they were found by now, each with where it led. */
  readonly links: () => readonly (readonly [path: string, target: string])[];
  /** Why this enforcer and not the other one; absent where there is none. */
  readonly enforcerReason?: string;
  /** Absent where nothing can be enforced by AppArmor. */
  readonly parser?: PolicyParser;
}

/** Which enforcer the host's owner wants, and whether the sensor found that BPF-LSM works. */
export interface EnforcerWish {
  readonly enforcer: OwnersWord['enforcer'];
  readonly bpfLsm: boolean;
}

/** Older ones do not know unconfined profiles with rules, nor what follows abi/4.0. */
const LEAST_PARSER = 4;

const APPARMOR_ONLY: EnforcerWish = { enforcer: 'apparmor', bpfLsm: false };

/** Looks the host over anew: packages, links and units change between compilations. */
export async function lookAtHost(
  options: HostOptions,
  loadedNames: readonly string[],
  deadlineMs: number,
  wish: EnforcerWish = APPARMOR_ONLY,
): Promise<Host> {
  const { root, securityfs } = options;
  const { seen: links, ...paths } = pathResolver(root);
  const common = {
    lsm: activeModules(securityfs),
    ...paths,
    loadedNames,
    controlPath: { multiarch: multiarch(), paths: needsOf(root) },
    existing: existingPath(root),
    isSocket: (path: string) => isSocket(join(root, path)),
    isDirectory: (path: string) => isDirectory(join(root, path)),
    nowMs: Date.now(),
  };
  if (wish.enforcer === 'observe')
    return { capabilities: { ...common, missing: OBSERVES }, units: [], links };
  if (wish.bpfLsm && wish.enforcer !== 'apparmor') {
    const enforcerReason = wish.enforcer === 'bpf' ? ASKED_FOR : BPF_PROVED;
    const queries = existsSync(join(root, CGROUPS));
    return { capabilities: { ...common, bpf: true, queries }, units: [], links, enforcerReason };
  }
  if (wish.enforcer === 'bpf')
    return { capabilities: { ...common, missing: NO_BPF }, units: [], links };
  const parser = new PolicyParser(options.parser, options.features);
  const apparmor = await factsOf(options, parser, deadlineMs);
  const missing = missingPart(options, apparmor.parser);
  if (missing !== undefined) return { capabilities: { ...common, missing }, units: [], links };
  const attached = foreignProfiles(root, securityfs);
  return {
    capabilities: { ...common, apparmor, attached },
    units: readUnits(root),
    links,
    enforcerReason: whyAppArmor(wish, common.lsm),
    parser,
  };
}

/** Only a hierarchy of cgroup v2 has it. */
const CGROUPS = 'sys/fs/cgroup/cgroup.controllers';

const ASKED_FOR = 'agent.yaml asks for it';
const OBSERVES = 'agent.yaml says that this host observes only';
const BPF_PROVED = 'BPF-LSM denied what it was asked to on this kernel';
const NO_BPF =
  'agent.yaml asks for enforcer: bpf, and this kernel takes no programs of BPF-LSM (lsm= without bpf, or too old)';
/** The ways round that BPF-LSM closes and AppArmor does not, in short: docs/reference/enforcement-limits.md has each. */
const BY_PATH_ALONE =
  'it judges by path alone: bind mounts, renamed parents and mount namespaces of root, open by handle and hard links lead round a rule';

function whyAppArmor({ enforcer }: EnforcerWish, lsm: readonly string[]): string {
  const why =
    enforcer === 'apparmor'
      ? ASKED_FOR
      : lsm.includes('bpf')
        ? 'BPF-LSM is active, but no denial by it was proved on this kernel (journalctl -u hostward-sensor says why)'
        : `BPF-LSM is not active (lsm=${lsm.join(',')}): add bpf to lsm= on the kernel command line`;
  return `${why}; ${BY_PATH_ALONE}`;
}

function missingPart({ features, parser }: HostOptions, version: string): string | undefined {
  if (!existsSync(features)) return `this host has no AppArmor (${features} is missing)`;
  if (!existsSync(parser)) return `${parser} is not installed: install the package apparmor`;
  if (Number.parseInt(version, 10) < LEAST_PARSER)
    return `${parser} ${version} is too old: ${LEAST_PARSER}.0 or later is needed (Debian 13, Ubuntu 24.04)`;
  return undefined;
}

/** Of the parser that was tried last; in the life of this process only a package replaces it. */
let tried: { readonly file: string; readonly facts: ParserFacts } | undefined;
type ParserFacts = NonNullable<HostCapabilities['apparmor']>;

async function factsOf(
  options: HostOptions,
  parser: PolicyParser,
  deadlineMs: number,
): Promise<ParserFacts> {
  const file = fileVersion(options.parser);
  if (file !== undefined && tried?.file === file) return tried.facts;
  const version = await versionOf(options.parser, deadlineMs);
  const facts = { parser: version, priority: await hasPriorities(parser, deadlineMs) };
  // One that ran out of time would be remembered as one without priorities.
  if (file !== undefined && facts.priority) tried = { file, facts };
  return facts;
}

async function versionOf(parser: string, deadlineMs: number): Promise<string> {
  const timeout = Math.max(1, Math.ceil(deadlineMs - Date.now()));
  const run = promisify(execFile)(parser, ['--version'], { timeout, killSignal: 'SIGKILL' });
  run.child.stdin?.end();
  const { stdout } = await run.catch(() => ({ stdout: '' }));
  return /^AppArmor parser version (\S+)/m.exec(stdout)?.[1] ?? 'unknown';
}

function activeModules(securityfs: string): readonly string[] {
  const text = readText(join(securityfs, 'lsm')).trim();
  return text === '' ? [] : text.split(',');
}

function multiarch(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}

/** What this host needs beside what every one does. */
function needsOf(root: string): readonly ProtectedPath[] {
  const has = (path: string): boolean => existsSync(join(root, path));
  const folder = `/usr/lib/${multiarch()}/systemd`;
  const own = names(join(root, folder)).filter((name) => /^libsystemd-[\w-]+\.so$/.test(name));
  return [
    ...ourselves(),
    ...systemdLibraries(own.map((name) => `${folder}/${name}`)),
    ...needsOfLogins(root),
    ...waysToRoot(has),
    ...addressClients(has),
  ];
}

/** The Node that runs us runs the agent too; wherever it lies, it is part of the control path. */
function ourselves(): readonly ProtectedPath[] {
  const node = realpathSync(process.execPath);
  return [{ what: 'the program that runs Hostward', path: node, perms: 'rmx', by: [node] }];
}

/** Which profile of others attaches to a program: Linux 6.12 does not tell, so the files of those loaded are read. */
function foreignProfiles(
  root: string,
  securityfs: string,
): (program: string) => string | undefined {
  const dir = join(securityfs, 'apparmor/policy/profiles');
  const loaded = names(dir).map((folder) => readText(join(dir, folder, 'name')).trim());
  const attachments = readAttachments(
    root,
    new Set(loaded.filter((name) => !name.startsWith('hostward'))),
  );
  const known = new Map<string, string | undefined>();
  return (program) => {
    if (!known.has(program)) known.set(program, attachedTo(attachments, program)[0]);
    return known.get(program);
  };
}

function isSocket(file: string): boolean {
  try {
    return statSync(file).isSocket();
  } catch {
    return false;
  }
}

/** A link to a directory is a name of its own, which a rule may keep from being replaced. */
function isDirectory(file: string): boolean {
  try {
    return lstatSync(file).isDirectory();
  } catch {
    return false;
  }
}

function names(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
