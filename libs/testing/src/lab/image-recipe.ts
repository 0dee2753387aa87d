import { createHash } from 'node:crypto';

import { GUEST_NETWORK, ROOT_LABEL } from './lab.config.js';

/** Releases of Debian that a guest can be: 12 with kernel 6.1 and AppArmor's parser 3.0, 13 with 6.12 and 4.1. */
export type DebianRelease = 'bookworm' | 'trixie';

/** What people call a release, e.g. `Debian 13`. */
export const RELEASE_NAMES: Readonly<Record<DebianRelease, string>> = {
  bookworm: 'Debian 12',
  trixie: 'Debian 13',
};

/** The one package whose name differs: Debian 13's libraries have 64-bit times. */
const LIBELF: Readonly<Record<DebianRelease, string>> = {
  bookworm: 'libelf1',
  trixie: 'libelf1t64',
};

/** Debian packages of the guest besides the essential ones; each is there for a suite or for the boot. */
export const imagePackages = (release: DebianRelease): readonly string[] => [
  ...[
    'linux-image-cloud-amd64',
    'initramfs-tools',
    'systemd',
    'systemd-sysv',
    'udev',
    'dbus',
    'kmod',
    'e2fsprogs',
    'btrfs-progs',
  ],
  ...['apparmor', 'bpftool', LIBELF[release], 'zlib1g', 'libseccomp2'],
  ...[
    'openssh-server',
    'iproute2',
    'iputils-ping',
    'netcat-openbsd',
    'curl',
    'ca-certificates',
    'openssl',
  ],
  ...['python3', 'python3-apt', 'procps', 'sudo', 'nginx-light', 'busybox-static'],
];

/** Units that only make the boot slower: nothing that a suite looks at. AppArmor's stays. */
const MASKED_UNITS = [
  ...[
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ],
  ...[
    'systemd-tmpfiles-clean.timer',
    'e2scrub_reap.service',
    'getty@tty1.service',
    'serial-getty@ttyS0.service',
  ],
  ...[
    'systemd-logind.service',
    'systemd-pstore.service',
    'systemd-networkd-wait-online.service',
    'ssh.socket',
  ],
  ...['systemd-firstboot.service', 'systemd-binfmt.service', 'systemd-network-generator.service'],
  ...[
    'dev-hugepages.mount',
    'dev-mqueue.mount',
    'sys-kernel-config.mount',
    'sys-fs-fuse-connections.mount',
  ],
  ...[
    'modprobe@configfs.service',
    'modprobe@fuse.service',
    'modprobe@drm.service',
    'modprobe@efi_pstore.service',
  ],
  ...[
    'systemd-udev-load-credentials.service',
    'systemd-journal-catalog-update.service',
    'systemd-hostnamed.socket',
  ],
  ...['systemd-ask-password-console.path', 'systemd-ask-password-wall.path'],
];

/**
 * Of Debian's 76 profiles that confine nothing, those that bypass suites use. Each costs 60 ms at every boot under
 * emulation, and most are for programs that the guest does not have. Debian's confining profiles all stay.
 */
const KEPT_STUBS = [
  'busybox',
  'runc',
  'crun',
  'podman',
  'buildah',
  'lxc-*',
  'ch-run',
  'rootlesskit',
];

/** Network files: addresses stay when the carrier goes, as on a host with a static address. */
function networkFile(nic: { mac: string; address: string }, gateway: string): string {
  const head = `[Match]\nMACAddress=${nic.mac}\n[Network]\nAddress=${nic.address}/24\n${gateway}`;
  return `${head}LinkLocalAddressing=no\nIPv6AcceptRA=no\nIgnoreCarrierLoss=yes\nConfigureWithoutCarrier=yes\n`;
}

const SSHD =
  'UsePAM no\nUseDNS no\nMaxSessions 64\nMaxStartups 64\nHostKey /etc/ssh/ssh_host_ed25519_key\n';

/** Files written into the image: path, mode, text. programs come from guest-programs.ts. */
export function imageFiles(
  programs: Record<string, string>,
  publicKey: string,
): [string, number, string][] {
  const { product, control } = GUEST_NETWORK;
  return [
    ['/etc/fstab', 0o644, `LABEL=${ROOT_LABEL} / ext4 defaults 0 1\n`],
    ['/etc/hostname', 0o644, 'lab\n'],
    ['/etc/hosts', 0o644, '127.0.0.1 localhost\n127.0.1.1 lab\n'],
    ['/etc/resolv.conf', 0o644, 'nameserver 10.0.2.3\n'],
    [
      '/etc/systemd/network/10-product.network',
      0o644,
      networkFile(product, `Gateway=${product.hostAddress}\n`),
    ],
    ['/etc/systemd/network/20-control.network', 0o644, networkFile(control, '')],
    ['/etc/ssh/sshd_config.d/lab.conf', 0o644, SSHD],
    ['/root/.ssh/authorized_keys', 0o600, publicKey],
    ...Object.entries(programs).map(([name, text]): [string, number, string] => [
      `/usr/local/sbin/${name}`,
      0o755,
      text,
    ]),
  ];
}

/** Hook after the packages are installed; `files` is a folder laid over the root. */
export function customizeHook(files: string): string {
  return `#!/bin/sh
set -eu
cp -a --no-preserve=ownership "${files}/." "$1/"
chmod 700 "$1/root/.ssh"
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99mmdebstrap
echo 11111111111111111111111111111111 > "$1/etc/machine-id"
mkdir -p "$1/var/log/journal" "$1/mnt"
chroot "$1" usermod -p '*' root
chroot "$1" systemctl -q enable systemd-networkd.service ssh.service nginx.service
chroot "$1" systemctl -q mask ${MASKED_UNITS.join(' ')}
for profile in $(grep -l 'flags=(unconfined)' "$1"/etc/apparmor.d/*); do
  case "\${profile##*/}" in ${KEPT_STUBS.join(' | ')}) ;; *) rm "$profile" ;; esac
done
chroot "$1" /usr/local/sbin/lab-sample-repo
chroot "$1" /usr/local/sbin/lab-initrd
chroot "$1" systemctl -q enable apparmor.service
`;
}

/** Name of the image in the cache: changes with its release, packages, hooks, files and programs. */
export function recipeHash(release: DebianRelease, programs: Record<string, string>): string {
  const parts = [imagePackages(release), customizeHook(''), imageFiles(programs, '')];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
