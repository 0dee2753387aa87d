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

export type Row = readonly [
  what: string,
  perms: string,
  paths: readonly string[],
  who?: 'owner',
  by?: readonly string[],
];

export function rows([what, perms, paths, who, by]: Row): readonly ProtectedPath[] {
  return paths.map((path) => ({
    what,
    path,
    perms,
    who,
    by: by ?? (perms.includes('x') ? [path] : undefined),
  }));
}
