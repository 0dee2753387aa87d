/** Programs of the control path, as Debian 13 has them, and how what they need is written down. */
import type { ProtectedPath } from './types.js';

export const SSHD = [
  '/usr/sbin/sshd',
  '/usr/lib/openssh/sshd-session',
  '/usr/lib/openssh/sshd-auth',
];
export const SYSTEMD = [
  '/usr/lib/systemd/systemd',
  '/usr/lib/systemd/systemd-executor',
  '/usr/lib/systemd/systemd-logind',
  // Without it a host that starts anew finds no device, the network's neither.
  '/usr/lib/systemd/systemd-udevd',
  '/usr/bin/udevadm',
];
export const NAMES = ['/usr/lib/systemd/systemd-networkd', '/usr/lib/systemd/systemd-resolved'];
export const SUDO = ['/usr/bin/sudo'];
export const SHELLS = ['/usr/bin/bash', '/usr/bin/dash', '/usr/bin/sh'];
export const PYTHON = ['/usr/bin/python3'];
export const LOGIN = ['/usr/bin/login', '/usr/sbin/agetty'];
export const HOSTWARD = [
  '/usr/lib/hostward/node',
  '/usr/lib/hostward/hostward-sensor',
  '/usr/lib/hostward/hostward-agent',
  '/usr/lib/hostward/hostward-compiler',
  '/usr/sbin/hostward-sensor',
];

export const SU = ['/usr/bin/su'];
export const SFTP = ['/usr/lib/openssh/sftp-server'];
export const PARSER = ['/usr/sbin/apparmor_parser'];

/** Who starts what: the kernel judges the start of a program as one of whoever starts it. */
const STARTS: readonly (readonly [by: readonly string[], started: readonly string[]])[] = [
  [SYSTEMD, [...SSHD.slice(0, 1), ...SYSTEMD, ...NAMES, ...LOGIN, ...HOSTWARD]],
  [SSHD, [...SSHD.slice(1), ...SFTP]],
  [LOGIN, LOGIN],
  [SHELLS, [...SUDO, ...SU]],
  [HOSTWARD, [...HOSTWARD, ...PARSER]],
];

export type Row = readonly [
  what: string,
  perms: string,
  paths: readonly string[],
  who?: 'owner',
  by?: readonly string[],
];

/** A program needs itself, and whoever starts it must be let; unless `by` says whose it is. */
export function rows([what, perms, paths, who, by]: Row): readonly ProtectedPath[] {
  const isProgram = by === undefined && perms.includes('x');
  return paths.flatMap((path) => {
    const itself = { what, path, perms, who, by: isProgram ? [path] : by };
    const starters = isProgram ? startersOf(path) : [];
    return starters.length === 0 ? [itself] : [itself, { ...itself, perms: 'x', by: starters }];
  });
}

function startersOf(path: string): readonly string[] {
  return STARTS.flatMap(([by, started]) => (started.includes(path) ? by : []));
}
