import { escapeGlob, parseGlob } from '../resolve/glob.js';
import { IMPLIED } from '../resolve/precedence.js';
import type { Placed } from './rule-entries.js';
import type { Perms } from './types.js';

/**
 * What a program needs to run at all: the loader, the C library and what it reads at start, harmless devices.
 */
const RUNTIME_PATHS: readonly (readonly [glob: string, perms: Perms])[] = [
  ['/{usr/,}lib{,32,64,x32}/{,**}', 'rm'],
  ['/usr/libexec/sudo/{,**}', 'rm'],
  ['/etc/ld.so.{cache,preload,conf}', 'r'],
  ['/etc/ld.so.conf.d/{,**}', 'r'],
  ['/etc/{locale.alias,localtime,nsswitch.conf}', 'r'],
  ['/usr/share/{locale,zoneinfo,i18n}/{,**}', 'r'],
  ['/dev/{null,zero,full}', 'rw'],
  ['/dev/{random,urandom}', 'r'],
  ['/dev/{tty,ptmx,pts/*}', 'rw'],
  ['/proc/{,*/}{stat,status,maps,meminfo,cpuinfo,auxv}', 'r'],
  ['/proc/sys/{kernel,vm}/{,**}', 'r'],
  ['/sys/devices/system/cpu/{,**}', 'r'],
  // The sensor's: in BPF no program is exempt from the rules.
  ['/{sys/kernel/security/lsm,sys/kernel/btf/vmlinux,proc/kallsyms}', 'r'],
  ['/sys/fs/cgroup/{,cgroup.controllers}', 'r'],
  ['/sys/fs/bpf/{,hostward/{,**}}', 'rw'],
];

/** What a host needs to start units and to let people in; systemd is judged as any program is on BPF. */
const HOST_PATHS: typeof RUNTIME_PATHS = [
  ['/sys/fs/cgroup/{,**}', 'rw'],
  ['/proc/{,*/}loginuid', 'rw'],
];

/**
 * What stays usable under a list that blocks, whatever it lists: to anybody under one of files what any program needs, and of everybody's what the host needs, to
 * a program under a list of its own that program itself. Weaker than every rule. `rule`: the first of the list.
 */
export function impliedEntries(
  listClass: 'process' | 'file',
  rule: number,
  program: string | undefined,
): readonly Placed[] {
  const common = { rule, who: 'any', effect: 'allow', rank: IMPLIED } as const;
  const paths = program === undefined ? [...RUNTIME_PATHS, ...HOST_PATHS] : RUNTIME_PATHS;
  const runtime = paths.map(([glob, perms]): Placed => ({
    ...{ ...common, glob, perms },
    object: { type: 'pattern', glob: parseGlob(glob) },
  }));
  const self: readonly Placed[] =
    program === undefined
      ? []
      : [
          {
            ...{
              ...common,
              glob: escapeGlob(program),
              perms: listClass === 'process' ? 'x' : 'rm',
            },
            object: { type: 'exact', path: program },
          },
        ];
  return listClass === 'process' ? self : [...runtime, ...self];
}
