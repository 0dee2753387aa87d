import { type BypassRow, BY_PATH, py, SLEEP } from './bypass-row.js';

const OTHER_NAME = 'AppArmor knows an object by its path, and no rule speaks of this one';

/** What is there when the rule comes, by names that the rule does not speak of. */
export const OTHER_NAMES: readonly BypassRow[] = [
  ...[
    ['of an exact path', '/srv/open/link-before'],
    ['of a file in a directory', '/srv/open/link-secret'],
    ['of a pattern', '/srv/open/link-rsa'],
    ['on a tmpfs', '/srv/own/link-before'],
    ['on a filesystem of its own', '/srv/house/link-before'],
    ['in a subvolume of btrfs', '/srv/tree/home/link-before'],
    ['of a file below another mount', '/srv/open/link-alias'],
  ].map(([what = '', path = '']) => ({
    name: `by a hard link from before the rule, ${what}`,
    user: true as const,
    attempt: `cat ${path}`,
    bpf: 'EACCES' as const,
    apparmor: { open: OTHER_NAME },
  })),
  {
    name: 'such a link of what may be read, read',
    user: true,
    attempt: 'cat /srv/open/link-ro',
    bpf: { open: 'it counts as much as the rule does' },
  },
  {
    name: 'such a link of what may be read, written',
    user: true,
    attempt: 'echo x > /srv/open/link-ro',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    name: 'run by a hard link from before the rule',
    user: true,
    attempt: '/srv/open/tool-before 0',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    name: 'by a mount that shows it at the place of the rule',
    user: true,
    attempt: 'cat /srv/alias/x',
    bpf: 'EACCES',
  },
  {
    name: 'where that mount has it from',
    user: true,
    attempt: 'cat /srv/real/x',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    name: 'another file there',
    user: true,
    attempt: 'cat /srv/real/y /srv/alias/y',
    bpf: { open: 'no rule speaks of it' },
  },
  {
    name: 'plainly, on a disk of its own',
    user: true,
    attempt: 'cat /srv/house/u/key',
    bpf: 'EACCES',
  },
  {
    name: 'that disk mounted a second time',
    attempt: 'mount "$(findmnt -no SOURCE /srv/house)" /mnt/bypass && cat /mnt/bypass/u/key',
    after: 'umount /mnt/bypass',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'plainly, in a subvolume of btrfs',
    user: true,
    attempt: 'cat /srv/tree/home/key',
    bpf: 'EACCES',
  },
  {
    name: 'that subvolume mounted at another place',
    attempt:
      'mount -o subvol=home "$(findmnt -no SOURCE /srv/tree)" /mnt/bypass && cat /mnt/bypass/key',
    after: 'umount /mnt/bypass',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'in a snapshot of that subvolume, from before the rule',
    attempt: 'cat /srv/tree/before/key',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    name: 'in a snapshot made after it',
    setUp: 'btrfs -q subvolume snapshot /srv/tree/home /srv/tree/after',
    attempt: 'cat /srv/tree/after/key',
    after: 'btrfs -q subvolume delete /srv/tree/after',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    // a snapshot showed a file that had one name
    name: 'a file with one name, in a snapshot from before the rule',
    attempt: 'cat /srv/tree/before/alone',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    name: 'a file with one name, in a snapshot made after it',
    setUp: 'btrfs -q subvolume snapshot /srv/tree/home /srv/tree/after',
    attempt: 'cat /srv/tree/after/alone',
    after: 'btrfs -q subvolume delete /srv/tree/after',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    // No file of which a rule speaks opens by it; one is refused that none speaks of: docs/reference/enforcement-limits.md.
    name: 'a file of another subvolume with the same number, made in the same transaction',
    attempt: 'cat /srv/tree/other/key',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  { name: 'plainly, on an overlay', user: true, attempt: 'cat /srv/merged/a', bpf: 'EACCES' },
  {
    name: 'in a layer of that overlay',
    attempt: 'cat /srv/layers/lower/a',
    bpf: { open: 'the layer has a file of its own, of which no rule speaks' },
  },
  {
    name: "a file of that name in a container's image",
    attempt: py('in_image /srv/image /etc/bypass-shadow'),
    bpf: { open: "it is the image's file; the rule speaks of the host's" },
    apparmor: 'EACCES',
  },
  {
    name: "the host's own file from such a container",
    attempt: py('in_image /srv/image /proc/1/root/etc/bypass-shadow'),
    bpf: 'EACCES',
  },
  {
    name: 'after a package has brought a new file, that file',
    setUp: `cp ${SLEEP} /srv/pkg/tool.new && mv -f /srv/pkg/tool.new /srv/pkg/tool`,
    attempt: '/srv/pkg/tool 0',
    bpf: 'EACCES',
  },
  {
    name: 'after a package has brought a new file, the one from before by its other name',
    attempt: '/srv/open/tool-before 0',
    bpf: 'EACCES',
    apparmor: { open: OTHER_NAME },
  },
  {
    name: 'the inode of a removed one, used again by another file',
    attempt: py('reuse /srv/pkg/old /srv/open/old-before /srv/pkg/true-copy'),
    after: `cp ${SLEEP} /srv/pkg/old`,
    bpf: { open: 'it is another file' },
  },
];
