import { CommandFailed, messageOf } from '../output/errors.js';

/** What a person does about each cause for which a host does not come in. */
const REMEDIES = {
  unreachable: 'check address, port, name resolution, firewalls, and that sshd runs',
  'host-key-unknown':
    'compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console; then --host-key-fingerprint, or ssh-keyscan into known_hosts',
  'host-key-changed':
    'somebody stands between, or the host was made anew: compare on its console; then `ssh-keygen -R HOST`',
  'auth-failed': 'check user, --identity, ssh-agent (`ssh-add -l`) or the password',
  'sudo-failed':
    'log in as root, or give the user sudo and its password by --ask-sudo-password or --sudo-password-file',
  architecture: 'make a package for it by `hostward package`, and name it by --package',
  'no-systemd': 'a host needs systemd as PID 1; a container is covered by the host that runs it',
  'no-lsm':
    'boot with lsm=...,apparmor or lsm=...,bpf on the kernel command line, or take --enforcer observe',
  'old-glibc': 'upgrade the distribution: Debian 12, Ubuntu 22.04 or later',
  'clock-skew': 'set its clock: `timedatectl set-ntp true`',
  'disk-full': 'free space below /usr and /var, and run it again',
  'read-only': 'remount / read-write, or put the package into the image',
  'no-route-back':
    'name the address at which hosts reach the control plane by --control-plane https://HOST:PORT, and open the way',
  'name-taken': 'give the host another name in the inventory, or `hostward delete node NAME`',
  'name-refused': 'node names are lower-case DNS names: give one in the inventory by name=NAME',
  'enrolled-elsewhere': 'run `hostward-agent offboard` on it first',
  'enforcer-differs': 'change enforcer in that file on the host, or leave --enforcer out',
  busy: 'another bootstrap works on this host: wait for its end',
  'package-damaged': 'make the packages anew by `hostward package`',
  'install-failed': 'look at the message; run it again when it is mended',
  'token-refused': 'run it again: it makes a new join token',
  'enroll-failed': 'look at the message; run it again when it is mended',
  'start-failed': 'look at `journalctl -u hostward-agent -u hostward-sensor` on the host',
  'connection-lost': 'run it again: it goes on where it was',
  'timed-out': 'run it again: it goes on where it was; is the host overloaded?',
  interrupted: 'run it again: it goes on where it was',
  unforeseen: 'look at the message; run it again when it is mended',
} as const;

export type FailureCode = keyof typeof REMEDIES;

/** One host does not come in; `code` says why, for programs, and `remedy` what to do, for people. */
export class HostFailure extends Error {
  override readonly name = 'HostFailure';
  readonly remedy: string;

  constructor(
    readonly code: FailureCode,
    message: string,
    options: { cause?: unknown; remedy?: string } = {},
  ) {
    super(message, options);
    this.remedy = options.remedy ?? REMEDIES[code];
  }
}

/** What became of a host, whatever was thrown: it must not end what is done on the others. */
export function failureOf(error: unknown): HostFailure {
  if (error instanceof HostFailure) return error;
  const remedy = error instanceof CommandFailed ? error.remedy : undefined;
  return new HostFailure('unforeseen', messageOf(error), { cause: error, remedy });
}

/** Whether a word that a host said is one of our codes. */
export function isFailureCode(word: string): word is FailureCode {
  return Object.hasOwn(REMEDIES, word);
}
