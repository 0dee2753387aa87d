/** What became of an attempt: refused with that error, or not refused, and why that is so. */
export type Outcome = 'EACCES' | 'EPERM' | { readonly open: string };

/** A way round a rule, tried on each enforcer; what stands here is what happens, and docs/reference/enforcement-limits.md says it in words. */
export interface BypassRow {
  readonly name: string;
  /** By a user without permissions, not by root. */
  readonly user?: true;
  /** Shell commands of root before and after the attempt. */
  readonly setUp?: string;
  readonly attempt: string;
  readonly after?: string;
  readonly bpf: Outcome;
  /** The same as on BPF unless given; `null`: not tried there, for it is of BPF's own. */
  readonly apparmor?: Outcome | null;
}

export const TOOL = '/usr/local/sbin/bypass.py';
export const SLEEP = '/usr/bin/sleep';
export const py = (words: string): string => `python3 ${TOOL} ${words}`;

export const BY_PATH = 'AppArmor knows an object by its path, which is another one then';
