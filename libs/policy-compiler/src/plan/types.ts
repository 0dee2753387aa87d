import type { Action } from '#policy-model';
import type { Veto } from '../resolve/veto.js';

/** Classes that an Allow list covers, and those that only a status knows. */
export type RuleClass =
  | 'process'
  | 'file'
  | 'network'
  | 'capabilities'
  | 'dns'
  | 'syscalls'
  | 'device'
  | 'apparmor'
  | 'exemption';

/** What becomes of a rule on this host; `overruled`: it is in force, and nothing comes of it; `failed` carries the words of what failed, `refused` the owner's protection. */
export type Plan = 'enforce' | 'audit' | 'overruled' | 'unsupported' | 'failed' | 'refused';

/** What AppArmor can do on a host. `priority` is found by trying the parser, not by its version. */
interface AppArmorCapabilities {
  readonly parser: string;
  readonly priority: boolean;
}

/** Something of the control path, as `protected-paths.ts` lists it or as the host knows it. */
export interface ProtectedPath {
  readonly what: string;
  readonly path: string;
  /** Letters of `rwxm`: what the control path does with it. */
  readonly perms: string;
  /** Whose accesses count: the file's owner (root, mostly), others, or both (absent). */
  readonly who?: 'owner' | 'other';
  /** Programs that need it where a rule is limited to sources; absent: every program of the control path. */
  readonly by?: readonly string[];
}

/** Facts of a host that the protection of D11 needs beside its generic list. */
export interface ControlPathFacts {
  /** Directory of the C library, e.g. `x86_64-linux-gnu`. */
  readonly multiarch?: string;
  readonly paths?: readonly ProtectedPath[];
  /** Names by which the control plane is reached. */
  readonly names?: readonly string[];
  /** Rules are enforced by BPF, which exempts no program of ours. */
  readonly bpf?: boolean;
}

/** Which path could show that a rule blocks: asked of the host by the compiler. */
export interface ProbeWish {
  readonly kind: 'read' | 'write' | 'exec';
  readonly object:
    | { readonly type: 'path'; readonly path: string }
    | { readonly type: 'execname'; readonly name: string }
    | { readonly type: 'directory'; readonly dir: string; readonly recursive: boolean }
    | { readonly type: 'pattern'; readonly prefix: string };
  /** True for a path that the rule blocks. */
  readonly matches: (path: string) => boolean;
}

/** All that the compiler may know of a host. Absent `apparmor`: the host cannot enforce. */
export interface HostCapabilities {
  readonly apparmor?: AppArmorCapabilities;
  /** BPF-LSM enforces, whatever AppArmor could do: a table is made and no profile. */
  readonly bpf?: boolean;
  /** The BPF enforcer sees queries to DNS: there is a cgroup v2 hierarchy. */
  readonly queries?: boolean;
  readonly lsm: readonly string[];
  /** Why `apparmor` is absent, where it is more than that: no parser, for one. */
  readonly missing?: string;
  /** Rules that the host's parser refused in an earlier attempt, by `POLICY/RULE`, with its words. */
  readonly rejected?: ReadonlyMap<string, string>;
  /**
   * Every spelling of a path under which a rule must be written, the one the kernel sees (symlinks resolved) last;
   * empty or the path itself where nothing is known. Directories are asked without their final slash.
   */
  readonly resolve: (path: string) => readonly string[];
  /** The first link on the way of a path that others than root can change, and that `resolve` does not follow therefore. */
  readonly unfollowed?: (path: string) => string | undefined;
  /** The first name on the way of a path that may be a link, since the compiler is not let to look at it. */
  readonly unseen?: (path: string) => string | undefined;
  /** What the owner of the host does not take: left out, each of these rules `refused`. */
  readonly veto?: readonly Veto[];
  /** Key ids of who signed a policy as its author, by policy; in authored mode. */
  readonly authors?: ReadonlyMap<string, readonly string[]>;
  /** Profiles of ours that are loaded now, including those that no rule needs any more. */
  readonly loadedNames: readonly string[];
  /** The profile that is not ours and attaches to a program, where one is loaded. */
  readonly attached?: (program: string) => string | undefined;
  readonly controlPath?: ControlPathFacts;
  /** Time of the compilation, ms since 1970: exceptions that have ended are left out. */
  readonly nowMs?: number;
  /** Whether there is a socket at a path now; absent: nothing is known of sockets. */
  readonly isSocket?: (path: string) => boolean;
  /** Whether there is a directory at a path now, a link to one being none; absent: nothing is known of directories. */
  readonly isDirectory?: (path: string) => boolean;
  /** An existing path that shows the rule's block; absent: no probes but exact paths, unchecked. */
  readonly existing?: (wish: ProbeWish) => string | undefined;
}

export interface RuleReport {
  readonly id: string;
  readonly plan: Plan;
  /** Why not, or what the reader must know although it is in force. */
  readonly reason?: string;
  readonly class: RuleClass;
}

export interface PolicyReport {
  readonly policy: string;
  readonly revision: string;
  /** The document as its author signed it: added by who verified it. */
  readonly document?: { readonly version: number; readonly digest: string };
  readonly rules: readonly RuleReport[];
}

/** The rule behind a denial. */
export interface RuleReference {
  readonly policy: string;
  readonly revision: string;
  readonly rule: string;
  readonly action: Action;
  readonly severity?: number;
  readonly tags: readonly string[];
  readonly message?: string;
}

/** Letters of AppArmor file permissions: any of `r w l k m`, or `x`; of a name that is asked for, `q` (query-names.ts). */
export type Perms = string;
export type Who = 'any' | 'owner' | 'other';
export type Effect = 'deny' | 'allow' | 'audit';

/** What a rule says about paths, after symlinks are resolved. `glob` is AppArmor's language, unquoted. */
export interface PathEntry {
  readonly rule: number;
  readonly glob: string;
  readonly perms: Perms;
  readonly who: Who;
  readonly effect: Effect;
  /** Greater decides first (D5); between equals deny decides. */
  readonly rank: number;
  /** It speaks only of an exec with another argument than these, the name of the program aside; absent: of each. */
  readonly unless?: readonly string[];
  /** Of a rule on programs, though it speaks of their mapping alone. */
  readonly program?: true;
}

/** What a rule says about a capability or a kind of socket: `capability net_raw`, `inet stream`. */
export interface CellEntry {
  readonly rule: number;
  readonly cell: string;
  readonly effect: Effect;
  readonly rank: number;
}

export type ListClass = 'process' | 'file' | 'network' | 'capabilities' | 'dns';

/** An allow-list in force: `rule` is the first Allow rule that turned its class into one. */
export interface AllowList {
  readonly posture: 'audit' | 'block';
  readonly rule: number;
  /** What is not listed is permitted without a record: a host's every file access or packet is too much to log. */
  readonly silent?: boolean;
}

/** What belongs to one profile or, as `general`, to all of them. */
export interface EntrySet {
  readonly paths: readonly PathEntry[];
  readonly cells: readonly CellEntry[];
  readonly lists: Readonly<Partial<Record<ListClass, AllowList>>>;
}

/** What the loaded profiles say, and which rule said it: evaluated by `attribute`. Plain JSON. */
export interface AttributionTable {
  readonly v: 1;
  readonly rules: readonly RuleReference[];
  readonly general: EntrySet;
  /** By profile name; a profile of ours that is not named here has the general rules only. */
  readonly profiles: Readonly<Record<string, EntrySet>>;
}

/** What the sensor keeps unread and the agent turns into a status and into alerts. Plain JSON. */
export interface CompileReport {
  readonly v: 1;
  /** Why this enforcer and not the other one; absent where none was chosen. */
  readonly enforcerReason?: string;
  readonly policies: readonly PolicyReport[];
  readonly attribution: AttributionTable;
}

export interface Probe {
  readonly kind: 'read' | 'write' | 'exec';
  readonly rule: { readonly policy: string; readonly id: string };
  readonly profile: string;
  readonly path: string;
}

interface CompiledProfile {
  readonly name: string;
  /** Glob of the programs that get the profile at exec; absent for a retired profile. */
  readonly attach?: string;
}

/** Whole profile files, all with the same profiles. */
interface ProfileTexts {
  readonly enforce: string;
  /** Denials turned into audited permissions. */
  readonly audit: string;
  /** Everything allowed, nothing logged. */
  readonly open: string;
}

export interface Compilation {
  /** Empty where the host has no AppArmor; else `hostward` is always among them. */
  readonly profiles: readonly CompiledProfile[];
  readonly texts: ProfileTexts;
  readonly report: CompileReport;
  readonly probes: readonly Probe[];
  /** Where BPF enforces. */
  readonly table?: PolicyTable;
  /** What the sensor judges USB devices by, on either enforcer. */
  readonly devices?: string;
}

/** What BPF programs judge by (docs/reference/protocol/table.md), and the names of its subjects by their number. */
interface PolicyTable {
  readonly blob: Uint8Array;
  readonly subjects: readonly string[];
}

/** An AppArmor audit record, as far as attribution reads it. `target` is the second path of a link. */
export interface Denial {
  readonly profile?: string;
  readonly operation?: string;
  readonly name?: string;
  readonly target?: string;
  readonly requested?: string;
  readonly denied?: string;
  readonly capability?: number;
  readonly capname?: string;
  readonly family?: string;
  readonly sockType?: string;
  readonly protocol?: number;
  readonly info?: string;
  readonly fsuid?: number;
  readonly ouid?: number;
  /** Index into the table's rules, where the enforcer told which. */
  readonly rule?: number;
}

/** A rule that would block the control path, for the operator to read. */
export interface Lockout {
  readonly policy: string;
  readonly rule: string;
  /** What of the control path, e.g. `the C library`. */
  readonly protects: string;
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}
