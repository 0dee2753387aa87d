import type { PathMatch, Rule } from '#policy-model';
import { CAPABILITIES, type Protocol, protocolCells } from '../resolve/cells.js';
import { devicePattern } from './devices.js';
import type { DraftRule } from './draft-rule.js';
import { ofEachProcess } from '../resolve/each-process.js';
import { GlobError, parseGlob } from '../resolve/glob.js';
import {
  globOf,
  linkedObject,
  mayOverlap,
  objectsOf,
  type PathObject,
  prefixOf,
  programsByLink,
} from '../resolve/objects.js';
import { BEYOND_BUDGET, type PatternBudget } from '../resolve/pattern-budget.js';
import { cellRank, pathRank } from '../resolve/precedence.js';
import { protocolKinds } from '../resolve/socket-kinds.js';
import { domainProblem, queryPath } from '../resolve/query-names.js';
import { fixedParts } from '../resolve/resolve.js';
import type { CellEntry, Effect, HostCapabilities, PathEntry, Perms, Plan, Who } from './types.js';

/** A path entry with the object it was written for. */
export interface Placed extends PathEntry {
  readonly object: PathObject;
}
export type PlacedCell = CellEntry;

/** What a rule says, or why it says nothing here. */
export type Made =
  | {
      readonly paths: readonly Placed[];
      readonly cells: readonly PlacedCell[];
      /** Programs by the path that the kernel sees; empty: everybody. */
      readonly sources: readonly string[];
      readonly note?: string;
      /** Why it may be about nothing here, though it is written. */
      readonly unmet?: string;
    }
  | { readonly plan: Plan; readonly reason: string };

const NOTHING: Made = { paths: [], cells: [], sources: [] };

const EFFECT: Readonly<Record<Rule['action'], Effect>> = {
  Block: 'deny',
  Allow: 'allow',
  Audit: 'audit',
};

/**
 * dpkg links a program to this name before it replaces it, and AppArmor lets a link be made only to a name with no
 * more permissions: without it no package with a blocked program could be upgraded.
 */
const DPKG_TWIN = '{,.dpkg-tmp}';

/**
 * The kernel names a directory with a slash at the end, which no path of a file has. The rule is written all the same: who
 * makes a directory of that name must not end it.
 */
const DIRECTORY = 'a directory, which a path of a file never matches: use matchDirectories';

/** What of a host a single rule hangs on. */
export type RuleHost = Pick<
  HostCapabilities,
  'resolve' | 'unfollowed' | 'unseen' | 'bpf' | 'queries' | 'isSocket' | 'isDirectory'
>;

/** Turns single rules into entries of profiles. */
export class RuleEntries {
  private readonly resolve: (path: string) => readonly string[];
  /** BPF-LSM enforces: other limits than AppArmor's. */
  private readonly bpf: boolean;

  constructor(
    private readonly host: RuleHost,
    private readonly budget: PatternBudget,
  ) {
    this.resolve = host.resolve;
    this.bpf = host.bpf === true;
  }

  of(drafted: DraftRule): Made {
    try {
      const made = this.make(drafted);
      return 'plan' in made ? made : { ...made, unmet: this.unmet(drafted.rule) };
    } catch (error) {
      if (!(error instanceof GlobError)) throw error;
      return { plan: 'failed', reason: `${described(drafted.rule)} ${error.message}` };
    }
  }

  private make(drafted: DraftRule): Made {
    const { object, lifts } = drafted.rule;
    if (lifts) return NOTHING;
    switch (object.kind) {
      case 'process':
      case 'file':
        return this.pathRule(drafted);
      case 'protocol':
        return this.protocolRule(drafted, object.protocol);
      case 'capability':
        return this.capabilityRule(drafted, object.capability);
      case 'dns':
        return this.queryRule(drafted, object.domain);
      case 'syscall':
        return unsupported(`single system calls ${this.unseen}`);
      case 'device':
        return deviceRule(object);
      case 'exemption':
        return NOTHING;
      case 'apparmor':
        return unsupported(
          'profile text of a policy is not loaded: it would run with our privileges',
        );
    }
  }

  /** Nothing is followed that others than root can change: whoever owns a link would say what a rule means. */
  private unmet({ object, sources, lifts }: Rule): string | undefined {
    if (lifts) return undefined;
    const named = object.kind === 'process' || object.kind === 'file' ? namesOf(object.match) : [];
    if (
      object.kind === 'file' &&
      objectsOf(object.match, this.resolve).every((one) => this.isDirectory(one))
    )
      return `it names ${named[0]}, ${DIRECTORY}`;
    const wild = [...named, ...sources].find((path) => /[*?]/.test(path));
    if (wild !== undefined)
      return `it names ${wild}, where wildcards stand for themselves: use matchPatterns`;
    const [link] = named.flatMap((path) => this.host.unfollowed?.(path) ?? []);
    if (link !== undefined) return notFollowed(link);
    return ofEachProcess(named, this.resolve) ?? this.unmetSources(sources);
  }

  /** One source is enough: a rule has one state, which must not be that of a part alone. */
  private unmetSources(sources: readonly string[]): string | undefined {
    const unmet = sources.flatMap((path) => {
      const link = this.host.unfollowed?.(path);
      return link === undefined ? [] : [{ path, link }];
    });
    const [first, ...more] = unmet;
    if (first === undefined) return undefined;
    const which = more.length === 0 ? first.path : `${first.path}, and ${more.length} more`;
    const others =
      unmet.length === sources.length
        ? ''
        : '; a rule of their own would show whether it is for its other sources';
    return `it is not in force for the source ${which}: ${notFollowed(first.link)}${others}`;
  }

  private get unseen(): string {
    return this.bpf
      ? 'are not judged by the BPF enforcer of this version'
      : 'are not seen by AppArmor';
  }

  private pathRule(drafted: DraftRule): Made {
    const { rule } = drafted;
    if (rule.pts === false && !this.bpf)
      return unsupported(`pts: terminals of tasks ${this.unseen}`);
    const problem = this.argumentProblem(rule);
    if (problem !== undefined) return unsupported(problem);
    const { object } = rule;
    if (object.kind !== 'process' && object.kind !== 'file') return unsupported('not about paths');
    const { match } = object;
    const programs = object.kind === 'process' ? programsByLink(match, this.resolve) : [];
    const linked = programs.map((path) => linkedObject(match, path));
    const objects = [...objectsOf(match, this.resolve), ...linked];
    if (!objects.every((one) => this.fits(one))) {
      return unsupported(BEYOND_BUDGET);
    }
    const paths = objects.flatMap((one) => pathEntries(drafted, one));
    const note =
      linkNote(rule, objects, programs) ??
      this.socketNote(rule, objects) ??
      this.hiddenNote(match, objects);
    return { paths, cells: [], sources: this.sources(rule), note };
  }

  /** Whoever connects to a socket opens no file: the hooks of BPF, and AppArmor of most kernels, are not asked. */
  private socketNote({ object, action }: Rule, objects: readonly PathObject[]): string | undefined {
    const seen = objects.at(-1);
    if (object.kind !== 'file' || action !== 'Block' || seen?.type !== 'exact') return undefined;
    if (this.host.isSocket?.(seen.path) !== true) return undefined;
    const who = this.bpf ? 'and connecting to it is not' : 'connecting to it only by some kernels';
    return `${seen.path} is a socket: its removal and replacement are judged, ${who}`;
  }

  /** The block of a file that exists is proved; of what is below a directory, or is a device, it may never be. */
  private hiddenNote(match: PathMatch, objects: readonly PathObject[]): string | undefined {
    if (objects.every((one) => one.type === 'exact' && !one.path.startsWith('/dev/')))
      return undefined;
    const [name] = namesOf(match).flatMap((path) => this.host.unseen?.(path) ?? []);
    if (name === undefined) return undefined;
    return `whether ${name} is a link is hidden from the compiler: if it is one, name what it leads to`;
  }

  private argumentProblem({ action, allowedArgs = [] }: Rule): string | undefined {
    if (allowedArgs.length === 0) return undefined;
    if (!this.bpf) return `allowedArgs: arguments ${this.unseen}`;
    return action === 'Allow'
      ? 'allowedArgs: an Allow says nothing of other arguments; a Block refuses those that are not listed'
      : undefined;
  }

  private isDirectory(object: PathObject): boolean {
    return object.type === 'exact' && this.host.isDirectory?.(object.path) === true;
  }

  private fits(object: PathObject): boolean {
    if (object.type !== 'pattern' || this.bpf) return true;
    return this.budget.take(prefixOf(object), object.glob);
  }

  private protocolRule({ rule, index }: DraftRule, protocol: string): Made {
    const meaning = this.bpf ? protocolOfKinds(protocol) : protocolCells(protocol);
    if ('unsupported' in meaning) return unsupported(meaning.unsupported);
    const rank = cellRank(rule, meaning.broad);
    const effect = EFFECT[rule.action];
    const cells = meaning.cells.map((cell) => ({ rule: index, cell, effect, rank }));
    return { paths: [], cells, sources: this.sources(rule), note: meaning.note };
  }

  /** A domain is a directory of names: itself and all below it. */
  private queryRule({ rule, index }: DraftRule, domain: string): Made {
    const problem = domainProblem(domain);
    if (problem !== undefined) return unsupported(problem);
    if (!this.bpf) return unsupported(`DNS queries ${this.unseen}`);
    if (this.host.queries !== true)
      return unsupported(
        'DNS queries are judged by cgroup v2, which is not at /sys/fs/cgroup here',
      );
    const dir = queryPath(domain);
    const object: PathObject = { type: 'directory', dir, recursive: true };
    const entry = {
      ...{ rule: index, glob: globOf(object), perms: 'q', who: 'any' as const, object },
      ...{ effect: EFFECT[rule.action], rank: pathRank(rule, object) },
    };
    return { paths: [entry], cells: [], sources: this.sources(rule) };
  }

  private capabilityRule({ rule, index }: DraftRule, capability: string): Made {
    if (!CAPABILITIES.includes(capability)) {
      return unsupported(`capability ${JSON.stringify(capability)} is not known`);
    }
    const cell = `capability ${capability}`;
    const entry = { rule: index, cell, effect: EFFECT[rule.action], rank: cellRank(rule, false) };
    return { paths: [], cells: [entry], sources: this.sources(rule) };
  }

  /** One identity a program, whatever the name it is written under. */
  private sources(rule: Rule): readonly string[] {
    const paths = rule.sources.flatMap((path) => {
      const last = objectsOf({ type: 'path', path }, this.resolve).at(-1);
      return last?.type === 'exact' ? [last.path] : [];
    });
    return [...new Set(paths)];
  }
}

/** BPF-LSM tells sockets apart by protocol too. */
function protocolOfKinds(protocol: string): Protocol {
  const known = protocolKinds(protocol);
  return known === undefined
    ? { unsupported: `protocol ${JSON.stringify(protocol)} is not known` }
    : { cells: known.kinds, broad: known.broad };
}

/** The sensor itself judges devices, by a table of their own (devices.ts). */
function deviceRule(object: Extract<Rule['object'], { readonly kind: 'device' }>): Made {
  const pattern = devicePattern(object);
  return 'problem' in pattern ? unsupported(pattern.problem) : NOTHING;
}

function notFollowed(link: string): string {
  return `${link} is a link that others than root can change, and is not followed: name what it leads to`;
}

function unsupported(reason: string): Made {
  return { plan: 'unsupported', reason };
}

function described(rule: Rule): string {
  if (rule.object.kind !== 'process' && rule.object.kind !== 'file') return 'a source';
  return JSON.stringify(nameOf(rule.object.match));
}

/** What of a match is looked up on the host. */
function namesOf(match: PathMatch): readonly string[] {
  switch (match.type) {
    case 'path':
      return [match.path];
    case 'directory':
      return [match.dir];
    case 'pattern':
      return fixedParts(parseGlob(match.pattern));
    case 'execname':
      return [];
  }
}

/** A link to a program with another name stands for all of that program, e.g. reboot for systemctl. */
function linkNote(
  { object }: Rule,
  objects: readonly PathObject[],
  byLink: readonly string[],
): string | undefined {
  if (object.kind !== 'process') return undefined;
  const { match } = object;
  const programs = match.type === 'path' ? otherName(match.path, objects) : byLink;
  if (programs.length === 0) return undefined;
  const which = programs.length === 1 ? 'that program' : 'those programs';
  return `${nameOf(match)} is a link to ${programs.join(' and ')}: the rule binds ${which} under every name`;
}

/** What a path leads to, where that is called otherwise. */
function otherName(path: string, objects: readonly PathObject[]): readonly string[] {
  const seen = objects.at(-1);
  return seen?.type === 'exact' && basename(seen.path) !== basename(path) ? [seen.path] : [];
}

function nameOf(match: PathMatch): string {
  switch (match.type) {
    case 'path':
      return match.path;
    case 'execname':
      return match.name;
    case 'directory':
      return match.dir;
    case 'pattern':
      return match.pattern;
  }
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function pathEntries({ rule, index }: DraftRule, object: PathObject): readonly Placed[] {
  const rank = pathRank(rule, object);
  const effect = EFFECT[rule.action];
  const isProcess = rule.object.kind === 'process';
  const glob = globOf(object) + (isProcess && hasTwin(object) ? DPKG_TWIN : '');
  const operations = isProcess ? processOperations(rule, object) : fileOperations(rule);
  return operations.flatMap(([perms, who]) => {
    const entry = { rule: index, glob, perms, who, effect, rank, object };
    return isProcess && (rule.allowedArgs ?? []).length > 0 ? byArguments(rule, entry) : [entry];
  });
}

/** The exec hangs on the arguments. That the loader maps the program does not: it would be told others. */
function byArguments({ allowedArgs }: Rule, entry: Placed): readonly Placed[] {
  const exec = { ...entry, perms: 'x', unless: allowedArgs };
  const others = entry.perms.replace('x', '');
  return others === '' ? [exec] : [exec, { ...entry, perms: others, program: true }];
}

function hasTwin(object: PathObject): boolean {
  if (object.type === 'directory') return false;
  return object.type !== 'pattern' || object.glob.at(-1)?.type === 'text';
}

/**
 * An Allow gives to the owner what a Block or Audit with ownerOnly keeps from others. With the exec goes
 * the mapping of the program (m): without it neither `ld.so PROGRAM` nor a unit of systemd runs what is blocked.
 */
function processOperations(rule: Rule, object: PathObject): readonly [Perms, Who][] {
  const perms = rule.action === 'Audit' || mayHoldLibraries(object) ? 'x' : 'xm';
  if (!rule.ownerOnly) return [[perms, 'any']];
  return [[perms, gives(rule) ? 'owner' : 'other']];
}

/** Beginnings of paths below which libraries lie, with lib64 and its like. */
const LIBRARY_DIRS = ['/lib', '/usr/lib', '/usr/local/lib', '/opt/'].map((dir): PathObject => ({
  type: 'directory',
  dir,
  recursive: true,
}));

/** Libraries are mapped too, and nobody meant them by a rule about programs. */
function mayHoldLibraries(object: PathObject): boolean {
  const name = programName(object);
  if (name !== undefined) return /\.so(\.|$)/.test(name);
  return LIBRARY_DIRS.some((libraries) => mayOverlap(libraries, object));
}

/** The one name that all files of an object have. */
function programName(object: PathObject): string | undefined {
  if (object.type === 'exact') return basename(object.path);
  if (object.type === 'execname') return object.name;
  const last = object.type === 'pattern' ? object.glob.at(-1) : undefined;
  return last?.type === 'text' && last.text.includes('/') ? basename(last.text) : undefined;
}

/** Whether its conditions say what it permits, and not what a Block with them takes. */
function gives({ action }: Rule): boolean {
  return action === 'Allow';
}

const ALL = 'rwlkm';
const WRITING = 'wl';
const READING = 'rkm';

/** With both conditions the owner may read and nobody else anything, as on KubeArmor's AppArmor side. */
function fileOperations(rule: Rule): readonly [Perms, Who][] {
  const { ownerOnly, readOnly } = rule;
  if (gives(rule)) return [[readOnly ? READING : ALL, ownerOnly ? 'owner' : 'any']];
  if (ownerOnly && readOnly) {
    return [
      [ALL, 'other'],
      [WRITING, 'owner'],
    ];
  }
  return [[readOnly ? WRITING : ALL, ownerOnly ? 'other' : 'any']];
}
