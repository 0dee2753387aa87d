/** Libraries without which the programs of the control path do not start. */
import type { ProtectedPath } from './types.js';
import {
  HOSTWARD,
  LOGIN,
  NAMES,
  PYTHON,
  rows,
  SHELLS,
  SSHD,
  SUDO,
  SYSTEMD,
} from './control-programs.js';

const LIBRARIES = [
  'libc.so.6',
  'libm.so.6',
  'libcrypto.so.3',
  'libpam.so.0',
  'libselinux.so.1',
  'libsystemd.so.0',
  'libcrypt.so.1',
  ...['unix', 'permit', 'nologin', 'limits', 'loginuid', 'env'].map(
    (module) => `security/pam_${module}.so`,
  ),
];

/** What these are linked with besides, with what that is linked with: Debian 13's, of which older ones have a part. */
const LINKED: readonly (readonly [what: string, names: string, by: readonly string[]])[] = [
  [
    'sshd',
    'audit.so.1 cap-ng.so.0 com_err.so.2 gssapi_krb5.so.2 k5crypto.so.3 keyutils.so.1 krb5.so.3 krb5support.so.0 pcre2-8.so.0 resolv.so.2 sqlite3.so.0 wrap.so.0 wtmpdb.so.0 z.so.1 zstd.so.1',
    SSHD,
  ],
  ['sudo', 'apparmor.so.1 audit.so.1 cap-ng.so.0 pcre2-8.so.0 ssl.so.3 z.so.1 zstd.so.1', SUDO],
  [
    'systemd',
    'acl.so.1 apparmor.so.1 audit.so.1 blkid.so.1 cap.so.2 cap-ng.so.0 mount.so.1 pcre2-8.so.0 seccomp.so.2 z.so.1 zstd.so.1',
    [...SYSTEMD, ...NAMES, '/usr/bin/systemctl'],
  ],
  ['the shells', 'tinfo.so.6', SHELLS],
  ["Ansible's python", 'expat.so.1 z.so.1', PYTHON],
  ['login at the console', 'audit.so.1 cap-ng.so.0 cap.so.2 pam_misc.so.0', LOGIN],
  ['Hostward', 'stdc++.so.6 gcc_s.so.1 dl.so.2 pthread.so.0', HOSTWARD],
];

/** The loader by the name that programs are linked with; by its own it lies among the libraries. */
const LOADERS: Readonly<Record<string, string>> = {
  'x86_64-linux-gnu': '/usr/lib64/ld-linux-x86-64.so.2',
  'aarch64-linux-gnu': '/usr/lib/ld-linux-aarch64.so.1',
};

export function controlLibraries(multiarch: string): readonly ProtectedPath[] {
  const libraries = `/usr/lib/${multiarch}`;
  const loader = LOADERS[multiarch] ?? `${libraries}/ld.so`;
  const name = loader.slice(loader.lastIndexOf('/') + 1);
  return [
    ...rows([
      'the C library and what sshd and sudo load',
      'rm',
      LIBRARIES.map((library) => `${libraries}/${library}`),
    ]),
    ...LINKED.flatMap(([what, names, by]) => {
      const paths = names.split(' ').map((each) => `${libraries}/lib${each}`);
      return rows([`a library of ${what}`, 'rm', paths, undefined, by]);
    }),
    ...rows(['the loader', 'rm', [loader, `${libraries}/${name}`]]),
  ];
}

/** The libraries of systemd's own, whose names have its version. */
export function systemdLibraries(paths: readonly string[]): readonly ProtectedPath[] {
  return rows(['a library of systemd', 'rm', paths, undefined, [...SYSTEMD, ...NAMES]]);
}
