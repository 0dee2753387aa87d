import type { CellEntry, EntrySet, PathEntry } from '../plan/types.js';
import type { TableSubject } from './subjects.js';

const ALL = 'rwlkm';

function path(rule: number, glob: string, rank: number, more: Partial<PathEntry> = {}): PathEntry {
  return { rule, glob, rank, perms: ALL, who: 'any', effect: 'deny', ...more };
}

function cell(rule: number, name: string, more: Partial<CellEntry> = {}): CellEntry {
  return { rule, cell: name, effect: 'deny', rank: 5000, ...more };
}

/** One of each that a table can hold. */
const GENERAL: EntrySet = {
  paths: [
    path(0, '/etc/shadow', 5000),
    path(1, '/srv/{,**}', 5),
    path(2, '/srv/public/{,**}', 12, { effect: 'allow' }),
    path(3, '/srv/public/{,**}', 12, { effect: 'audit', perms: 'r' }),
    path(4, '/home/**/.ssh/id_*', 0, { who: 'other' }),
    path(5, '/data/{,*}', 6, { perms: 'wl' }),
    path(6, '/{,**/}nc{,.dpkg-tmp}', 5000, { perms: 'xm' }),
    path(7, '/usr/bin/{,**}', 9, { perms: 'x', effect: 'audit' }),
    path(8, '/tmp/[a-c]?[^a-z]', 0),
    path(9, '/tmp/é\\*', 5000),
    path(10, '/**/from/**/to', 0, { perms: 'r' }),
    path(11, '/**/one/**/two', 0, { perms: 'r', effect: 'audit' }),
    path(23, '/example/evil/{,**}', 14, { perms: 'q' }),
    path(24, '/example/evil/ok/{,**}', 17, { perms: 'q', effect: 'allow' }),
    path(25, '/example/seen/{,**}', 14, { perms: 'q', effect: 'audit' }),
    path(26, '/usr/bin/git', 5000, { perms: 'x', unless: ['status', '--', ''] }),
    path(27, '/usr/bin/git', 5000, { perms: 'x', unless: ['status', 'log'], effect: 'audit' }),
    path(28, '/{,**/}git', 4000, { perms: 'x', unless: ['status', 'é'], who: 'other' }),
    path(29, '/usr/bin/{,**}', 9, { perms: 'x', unless: ['\0'] }),
  ],
  cells: [
    cell(12, 'inet tcp'),
    cell(13, 'inet6 icmp', { effect: 'audit' }),
    cell(14, 'capability net_raw'),
    cell(15, 'vsock', { effect: 'allow' }),
  ],
  lists: { network: { posture: 'audit', rule: 15, silent: true } },
};

const SHELL: EntrySet = {
  paths: [
    path(16, '/etc/shadow', 15_000, { effect: 'allow', perms: 'rkm' }),
    path(17, '/etc/{,**}', 10_005, { perms: 'wl' }),
    path(30, '/usr/bin/git', 4500, { perms: 'x', effect: 'allow' }),
  ],
  cells: [cell(18, 'inet tcp', { effect: 'allow', rank: 15_000 })],
  lists: {
    file: { posture: 'block', rule: 16 },
    network: { posture: 'block', rule: 18 },
    dns: { posture: 'block', rule: 24 },
  },
};

const BACKUP: EntrySet = {
  paths: [path(19, '/srv/public/secret', 15_000, { who: 'owner' })],
  cells: [],
  lists: { process: { posture: 'audit', rule: 19 }, capabilities: { posture: 'block', rule: 19 } },
};

/** What holds at a terminal only: a Block, an Allow against a general Block, a list. */
const TERMINAL: EntrySet = {
  paths: [
    path(20, '/etc/passwd', 5000),
    path(21, '/usr/bin/nc{,.dpkg-tmp}', 5001, { effect: 'allow', perms: 'xm' }),
  ],
  cells: [],
  lists: { process: { posture: 'block', rule: 21 } },
};
const SHELL_TERMINAL: EntrySet = {
  paths: [path(22, '/data/{,*}', 10_006, { perms: 'r' })],
  cells: [],
  lists: {},
};

/** The subjects of the test vectors that C and TypeScript read alike. */
export const VECTOR_SUBJECTS: readonly TableSubject[] = [
  { sets: [GENERAL], terminal: [TERMINAL] },
  { path: '/bin/sh', sets: [GENERAL, SHELL], terminal: [TERMINAL, SHELL_TERMINAL] },
  { path: '/usr/bin/backup', sets: [GENERAL, BACKUP], terminal: [TERMINAL] },
];

/** What is asked; `filled` bytes `a` follow a path. */
export const VECTOR_PATHS: readonly (readonly [path: string, filled?: number])[] = [
  ...['/', '/etc/shadow', '/etc/shadow-', '/etc/', '/etc/passwd'].map((one): [string] => [one]),
  ...['/srv/', '/srv/a/b', '/srv/public/', '/srv/public/x', '/srv/public/secret'].map(
    (one): [string] => [one],
  ),
  ...['/home/u/.ssh/id_rsa', '/home/.ssh/id_rsa', '/home/u/.ssh/id_'].map((one): [string] => [one]),
  ...['/data/', '/data/x', '/data/x/y', '/usr/bin/nc', '/nc.dpkg-tmp'].map((one): [string] => [
    one,
  ]),
  ...['/tmp/ax_', '/tmp/axé', '/tmp/é*', '/tmp/éx'].map((one): [string] => [one]),
  ...['/x/from/y/to', '/x/from/one/z/two', '/x/from/one/to/two/to'].map((one): [string] => [one]),
  ...['/', '/example/evil/', '/example/evil/www/', '/example/evil/ok/a/', '/example/seen/'].map(
    (one): [string] => [one],
  ),
  ['/srv/', 4090],
  ['/home/a/.ssh/id_', 4079],
];

/** What is asked of an exec with arguments, the name of the program aside. */
export const VECTOR_EXECS: readonly (readonly [path: string, args: readonly string[]])[] = [
  ['/usr/bin/git', []],
  ['/usr/bin/git', ['status']],
  ['/usr/bin/git', ['status', 'status']],
  ['/usr/bin/git', ['status', '']],
  ['/usr/bin/git', ['--', 'log']],
  ['/usr/bin/git', ['log']],
  ['/usr/bin/git', ['statu']],
  ['/usr/bin/git', ['statuss']],
  ['/usr/bin/git', ['é']],
  ['/usr/bin/x', ['']],
  ['/usr/bin/x', []],
  ['/opt/git', ['status', 'é']],
  ['/opt/git', ['status', '--']],
];
