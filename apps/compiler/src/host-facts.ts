import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EXECUTOR, type HostCapabilities, isOwnProfile } from '#policy-compiler';
import { hasPriorities, PolicyParser } from './apparmor-parser.js';
import { existingPath } from './existing-path.js';
import type { HostOptions } from './options.js';
import { pathResolver } from './resolve-paths.js';
import { type DropIn, readUnits } from './units.js';

/** A host as the compiler found it, for one compilation. */
export interface Host {
  readonly capabilities: HostCapabilities;
  readonly dropIns: readonly DropIn[];
  /** Absent where nothing can be enforced by AppArmor. */
  readonly parser?: PolicyParser;
}

/** Looks the host over anew: packages, links and units change between compilations. */
export async function lookAtHost(
  options: HostOptions,
  loadedNames: readonly string[],
  deadlineMs: number,
): Promise<Host> {
  const { root, securityfs } = options;
  const executor = existsSync(join(root, EXECUTOR));
  const units = readUnits(root, executor);
  const common = {
    lsm: activeModules(securityfs),
    resolve: pathResolver(root),
    loadedNames,
    executor,
    noNewPrivileges: units.noNewPrivileges,
    foreignAttachments: foreignAttachments(securityfs),
    controlPath: { multiarch: multiarch(), paths: ourselves() },
    existing: existingPath(root),
    nowMs: Date.now(),
  };
  const missing = missingPart(options);
  if (missing !== undefined) return { capabilities: { ...common, missing }, dropIns: [] };
  const parser = new PolicyParser(options.parser, options.features);
  const apparmor = {
    parser: await versionOf(options.parser),
    priority: await hasPriorities(parser, deadlineMs),
  };
  return { capabilities: { ...common, apparmor }, dropIns: units.dropIns, parser };
}

function missingPart({ features, parser }: HostOptions): string | undefined {
  if (!existsSync(features)) return `this host has no AppArmor (${features} is missing)`;
  if (!existsSync(parser)) return `${parser} is not installed: install the package apparmor`;
  return undefined;
}

async function versionOf(parser: string): Promise<string> {
  const run = promisify(execFile)(parser, ['--version'], { timeout: 10_000 });
  run.child.stdin?.end();
  const { stdout } = await run.catch(() => ({ stdout: '' }));
  return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}

function activeModules(securityfs: string): readonly string[] {
  const text = readText(join(securityfs, 'lsm')).trim();
  return text === '' ? [] : text.split(',');
}

function multiarch(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}

/** The Node that runs us runs the agent too; wherever it lies, it is part of the control path. */
function ourselves() {
  const node = realpathSync(process.execPath);
  return [{ what: 'the program that runs Hostward', path: node, perms: 'rmx', by: [node] }];
}

/** Programs to which a loaded profile that is not ours attaches by an exact path. */
function foreignAttachments(securityfs: string): readonly string[] {
  const dir = join(securityfs, 'apparmor/policy/profiles');
  const folders = existsSync(dir) ? names(dir) : [];
  return folders.flatMap((folder) => {
    if (isOwnProfile(readText(join(dir, folder, 'name')).trim())) return [];
    const attach = readText(join(dir, folder, 'attach')).trim();
    return /^\/[^*?[\]{}\\]+$/.test(attach) ? [attach] : [];
  });
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
