/**
 * The one matrix of D5: what a rule set means, as data, for every enforcer. Each group has a directory of its own
 * (`ROOT/NAME`), so that all groups are one rule set and are applied once. A case whose meaning an enforcer cannot give
 * says so in `unlike`, with the reason; anything else that differs is a failure.
 */
export const ROOT = '/srv/conform';

export type Operation =
  | (
      | 'read'
      | 'write'
      | 'append'
      | 'truncate'
      | 'ftruncate'
      | 'create'
      | 'unlink'
      | 'chmod'
      | 'chown'
    )
  | (
      | 'setxattr'
      | 'setflags'
      | 'list'
      | 'mkdir'
      | 'rmdir'
      | 'mknod'
      | 'symlink'
      | 'map'
      | 'exec'
      | 'script'
      | 'lock'
    )
  | ('link' | 'rename' | 'socket' | 'capability' | 'query' | 'unnamed');

export type Verdict = 'denied' | 'allowed';
export type Enforcer = 'apparmor' | 'bpf';

export interface Case {
  readonly op: Operation;
  /**
   * Below the group's directory unless it begins with a slash; of a socket `inet stream`, of a capability its name, of a query
   * to DNS how and what is asked for (name-cases.ts), of what has no path what it is.
   */
  readonly object: string;
  /** The second path of link and rename. */
  readonly to?: string;
  /** Of an exec, behind the program's name. */
  readonly args?: readonly string[];
  /** A program of `sources` that acts; absent: the shell's python, which no rule names. */
  readonly as?: string;
  /** User id that acts; 0 unless given. */
  readonly uid?: number;
  /** Whether who acts has a controlling terminal. */
  readonly terminal?: boolean;
  readonly expect: Verdict;
  readonly unlike?: Readonly<Partial<Record<Enforcer, string>>>;
}

export interface Group {
  readonly name: string;
  /** `spec` of its policies, without selectors; `D` stands for the group's directory, `S` for that of the sources. */
  readonly policies: readonly {
    readonly spec: Readonly<Record<string, unknown>>;
    readonly annotations?: Readonly<Record<string, string>>;
    /** Enforcers that say `unsupported`. */
    readonly unsupported?: readonly Enforcer[];
  }[];
  /** Made before the rules come; a name with a final slash is a directory. */
  readonly files: readonly string[];
  readonly cases: readonly Case[];
}

/** Programs that act as sources: copies of python, by name. */
export const SOURCES = [
  'one',
  'two',
  'three',
  'listed',
  'alone',
  'net',
  'raw',
  'caps',
  'starter',
  'launcher',
] as const;

/** A rule limited to some of them. */
export const from = (...names: readonly string[]) => ({
  fromSource: names.map((name) => ({ path: `S/${name}` })),
});
