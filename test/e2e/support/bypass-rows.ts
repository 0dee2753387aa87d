import { OTHER_NAMES } from './bypass-other-names.js';
import { type BypassRow, BY_PATH, py, SLEEP } from './bypass-row.js';

const OTHERS = '$(systemctl show -P MainPID bypass-others)';
const COPY = 'a copy is another file';
const MOUNTS = 'AppArmor judges what is opened there by its path; mounts are no part of a policy';
const OWN_TREE = 'AppArmor takes the path in a mount namespace of its own for the object';

/** Reading and running what is blocked by another way to it. */
const OTHER_WAYS: readonly BypassRow[] = [
  { name: 'plainly', attempt: 'cat /srv/secret/a', bpf: 'EACCES' },
  {
    name: 'plainly, an exact path',
    user: true,
    attempt: 'cat /srv/keys/id',
    bpf: 'EACCES',
  },
  {
    name: 'plainly, on a filesystem of its own',
    user: true,
    attempt: 'cat /srv/own/secret',
    bpf: 'EACCES',
  },
  {
    name: 'from inside its directory',
    user: true,
    attempt: 'cd /srv/secret && cat a',
    bpf: 'EACCES',
  },
  {
    name: 'through /proc/self/root',
    user: true,
    attempt: 'cat /proc/self/root/srv/secret/a',
    bpf: 'EACCES',
  },
  {
    name: 'through /proc/PID/root',
    user: true,
    attempt: py('of_process /srv/secret/a'),
    bpf: 'EACCES',
  },
  {
    name: 'by a symlink',
    user: true,
    attempt: 'ln -sf /srv/secret/a /srv/open/s && cat /srv/open/s',
    bpf: 'EACCES',
  },
  { name: 'by a new hard link', attempt: 'ln /srv/keys/id /srv/open/link-after', bpf: 'EACCES' },
  { name: 'by openat2', user: true, attempt: py('openat2 /srv/secret/a'), bpf: 'EACCES' },
  { name: 'by io_uring', user: true, attempt: py('uring /srv/secret/a'), bpf: 'EACCES' },
  { name: 'by a file handle', attempt: py('by_handle /srv/secret/a'), bpf: 'EACCES' },
  {
    name: 'by a file handle whose name is forgotten',
    attempt: py('by_handle /srv/keys/id forget'),
    bpf: 'EACCES',
    apparmor: { open: 'a file that was opened without a name has no path to be judged by' },
  },
  {
    name: 'by an O_PATH descriptor over a socket',
    user: true,
    attempt: py('passed /srv/secret/a'),
    bpf: 'EACCES',
  },
  {
    name: 'by a descriptor from before the rule',
    attempt: py('held read /run/bypass-hold'),
    bpf: { open: 'reads of open descriptors are not judged, which would tax every read' },
  },
  {
    name: 'by a new mapping of such a descriptor',
    attempt: py('held map /run/bypass-hold'),
    bpf: 'EACCES',
  },
  { name: 'from a chroot', attempt: py('in_chroot /srv /secret/a'), bpf: 'EACCES' },
  {
    name: 'from a chroot in a user namespace',
    user: true,
    attempt: py('in_chroot /srv /secret/a'),
    bpf: 'EACCES',
  },
  {
    name: 'in a pid namespace',
    user: true,
    attempt: py('in_pid_namespace /srv/secret/a'),
    bpf: 'EACCES',
  },
  {
    name: 'by a bind mount',
    attempt: 'mount --bind /srv/secret /mnt/bypass && cat /mnt/bypass/a',
    after: 'umount /mnt/bypass',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'by a bind mount in a user and mount namespace',
    user: true,
    attempt: "unshare -Urm sh -c 'mount --bind /srv/secret /srv/open && cat /srv/open/a'",
    bpf: 'EACCES',
    apparmor: { open: OWN_TREE },
  },
  {
    name: 'by a recursive bind mount of the root and a chroot there',
    user: true,
    attempt: `unshare -Urm sh -c 'mount --rbind / /mnt && mount --rbind /srv/secret /mnt/tmp && cat /mnt/tmp/a'`,
    bpf: 'EACCES',
    apparmor: { open: OWN_TREE },
  },
  {
    name: 'by an overlay',
    user: true,
    attempt: `unshare -Urm sh -c 'mount -t overlay -o lowerdir=/srv/secret:/srv/open overlay /mnt && cat /mnt/a'`,
    bpf: 'EACCES',
  },
  {
    name: 'by the one program that may',
    attempt: '/srv/pkg/reader /srv/keys/lent',
    bpf: { open: 'the rule allows it' },
  },
  {
    name: 'by a program at the place of the one that may, in a tree of its own',
    user: true,
    attempt: `unshare -Urm sh -c 'mount -t tmpfs none /mnt && mkdir -p /mnt/srv/pkg && cp /usr/bin/cat /mnt/srv/pkg/reader && /mnt/srv/pkg/reader /srv/keys/lent'`,
    bpf: 'EACCES',
  },
  {
    name: 'by the program that may, seen through an overlay',
    user: true,
    attempt: `unshare -Urm sh -c 'mount -t overlay -o lowerdir=/srv/pkg:/srv/open overlay /mnt && /mnt/reader /srv/keys/lent'`,
    bpf: 'EACCES',
  },
  {
    name: 'by the filesystem mounted a second time',
    attempt: 'mount "$(findmnt -no SOURCE /)" /mnt/bypass && cat /mnt/bypass/srv/secret/a',
    after: 'umount /mnt/bypass',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'while its directory is moved to and fro',
    attempt: py(`race /srv/race ${process.env['HOSTWARD_FULL'] === '1' ? 60 : 20}`),
    bpf: 'EACCES',
  },
  { name: 'run plainly', user: true, attempt: `${SLEEP} 0`, bpf: 'EACCES' },
  { name: 'run by a descriptor', user: true, attempt: py(`execute ${SLEEP} path`), bpf: 'EACCES' },
  {
    name: 'run by a symlink',
    user: true,
    attempt: `ln -sf ${SLEEP} /tmp/nap && /tmp/nap 0`,
    bpf: 'EACCES',
  },
  {
    name: 'run as the interpreter of a script',
    user: true,
    attempt: `printf '#!${SLEEP} --version\\n' > /tmp/nap.sh && chmod +x /tmp/nap.sh && /tmp/nap.sh`,
    bpf: 'EACCES',
    apparmor: { open: "AppArmor judges a script's own file, not its interpreter" },
  },
  {
    name: 'run by the loader',
    user: true,
    attempt: `/lib64/ld-linux-x86-64.so.2 ${SLEEP} 0`,
    bpf: 'EACCES',
  },
  {
    name: 'run as a copy',
    user: true,
    attempt: `cp ${SLEEP} /tmp/copy && /tmp/copy 0`,
    bpf: { open: COPY },
  },
  {
    name: 'run as a copy in memory',
    user: true,
    attempt: py(`execute ${SLEEP} copy`),
    bpf: { open: COPY },
    apparmor: 'EACCES',
  },
  {
    name: 'run through an overlay in a namespace of its own',
    user: true,
    attempt: `unshare -Urm sh -c 'mount -t overlay -o lowerdir=/usr/bin:/srv/open overlay /mnt && /mnt/sleep 0'`,
    bpf: { open: "as good as a copy: the overlay is the namespace's own filesystem" },
  },
];

/** Taking what is blocked, or a directory above it, to another place. */
const MOVES: readonly BypassRow[] = [
  { name: 'the file moved', attempt: 'mv /srv/secret/a /srv/open/m', bpf: 'EACCES' },
  {
    name: 'its directory moved',
    attempt: 'mv /srv/secret /srv/moved',
    bpf: 'EACCES',
    after: 'mv /srv/moved /srv/secret',
  },
  {
    name: 'a directory above an exact path moved',
    attempt: 'mv /srv/keys /srv/moved',
    after: 'mv /srv/moved /srv/keys',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'a directory above an exact path exchanged for another',
    attempt: py('exchange /srv/open /srv/keys'),
    after: py('exchange /srv/open /srv/keys'),
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'a directory of a pattern moved',
    user: true,
    attempt: 'mv /srv/homes/u/.ssh /srv/homes/u/ssh',
    after: 'mv /srv/homes/u/ssh /srv/homes/u/.ssh',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'a directory moved to where the pattern does not hold',
    user: true,
    attempt: 'mv /srv/homes/u /srv/open/u',
    after: 'mv /srv/open/u /srv/homes/u',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  {
    name: 'a directory moved to where the pattern holds too',
    user: true,
    attempt: 'mv /srv/homes/u/plain /srv/homes/u/other && mv /srv/homes/u/other /srv/homes/u/plain',
    bpf: { open: 'nothing leaves the reach of the rule' },
  },
  {
    name: 'a blocked program moved',
    attempt: `mv ${SLEEP} /usr/bin/other-name`,
    after: `mv /usr/bin/other-name ${SLEEP}`,
    bpf: 'EACCES',
    apparmor: {
      open: 'a rule on a program speaks of running it; AppArmor compares no old name with a new one',
    },
  },
  {
    name: 'a blocked program exchanged for another',
    setUp: 'cp /usr/bin/true /srv/open/true',
    attempt: py(`exchange /srv/open/true ${SLEEP}`),
    after: py(`exchange /srv/open/true ${SLEEP}`),
    bpf: 'EACCES',
    apparmor: {
      open: 'a rule on a program speaks of running it; AppArmor compares no old name with a new one',
    },
  },
];

/** Covering what is blocked with something else, in the host's own tree. */
const COVERS: readonly BypassRow[] = [
  ...[
    ['a filesystem over a blocked directory', 'tmpfs', '/srv/secret'],
    ['a filesystem over a directory above', 'tmpfs', '/srv/keys'],
    ['the same by the newer calls', 'fsmount', '/srv/keys'],
    ['a bind mount over a directory above', 'bind', '/srv/keys'],
    ['the same by the newer calls, bound', 'open_tree', '/srv/keys'],
    ['a bind mount over the file', 'bind', '/srv/keys/id'],
    ['a bind mount that says too that it does not spread', 'bind-private', '/srv/keys'],
  ].map(([name = '', how = '', place = '']) => ({
    name,
    attempt: py(`cover ${how} ${place}`),
    after: `umount ${place}`,
    bpf: 'EACCES' as const,
    apparmor: { open: MOUNTS },
  })),
  ...['mount', 'move_mount'].map((how) => ({
    name: `a mount above a blocked object moved away by ${how}`,
    setUp: 'mount --make-private /; mount --make-private /srv/own',
    attempt: py(`move_tree ${how} /srv/own /mnt/bypass`),
    after: 'mount --move /mnt/bypass /srv/own',
    bpf: 'EACCES' as const,
    apparmor: { open: BY_PATH },
  })),
  {
    name: 'the same by mount, from another root',
    setUp: 'mount --make-private /; mount --make-private /srv/own',
    attempt: py('move_from_chroot /srv/open /srv/own /mnt/bypass'),
    after: 'mount --move /mnt/bypass /srv/own',
    bpf: 'EACCES',
    apparmor: { open: BY_PATH },
  },
  ...['0', '2'].map((flags) => ({
    name: `a mount above a blocked object taken away${flags === '0' ? '' : ' lazily'}`,
    attempt: py(`uncover /srv/own ${flags}`),
    bpf: 'EACCES' as const,
    apparmor: null,
  })),
  { name: 'another root directory', attempt: py('pivot /srv/own'), bpf: 'EACCES', apparmor: null },
  {
    name: 'a mount where no rule speaks of anything',
    attempt: 'mount -t tmpfs none /mnt/bypass && umount /mnt/bypass',
    bpf: { open: 'it covers nothing that is blocked' },
  },
  {
    name: 'a mount over it in a namespace of its own',
    user: true,
    attempt: `unshare -Urm sh -c 'mount -t tmpfs none /srv/secret'`,
    bpf: { open: 'it changes what that namespace sees, and no path by which an object is judged' },
  },
];

/** Changing what may only be read. */
const WRITES: readonly BypassRow[] = [
  ...['copy_file_range', 'sendfile', 'splice'].map((how) => ({
    name: `written by ${how}`,
    user: true as const,
    attempt: py(`write_into ${how} /srv/open/a /srv/ro/f`),
    bpf: 'EACCES' as const,
  })),
  {
    name: 'given to another by a list of access',
    attempt: py('give_away /srv/ro/f'),
    bpf: 'EACCES',
    apparmor: { open: 'AppArmor judges no extended attributes' },
  },
  ...['generation', 'generation-ext4', 'flags'].map((how) => ({
    name: `its ${how} changed by a descriptor to read`,
    attempt: py(`change ${how} /srv/ro/f`),
    bpf: 'EACCES' as const,
    apparmor: null,
  })),
  { name: 'truncated', user: true, attempt: `truncate -s 0 /srv/ro/f`, bpf: 'EACCES' },
  {
    name: 'replaced by a rename',
    user: true,
    attempt: 'cp /srv/open/a /srv/open/n && mv -f /srv/open/n /srv/ro/f',
    bpf: 'EACCES',
  },
];

/** What a program may not use, the kernel asking for itself: how much of another's process it is shown. */
const CAPABILITIES: readonly BypassRow[] = [
  {
    name: 'what a capability shows that the kernel asks of for itself',
    attempt: `test "$(/srv/pkg/quiet /proc/${OTHERS}/stat | cut -d" " -f26)" -gt 1 || { echo EPERM; false; }`,
    bpf: 'EPERM',
  },
  {
    name: 'what the same capability gives who asks for it',
    attempt: `/srv/pkg/asker /proc/${OTHERS}/maps`,
    bpf: 'EACCES',
  },
];

const PID = '$(systemctl show -P MainPID hostward-sensor)';

/** What enforcement stands on, against root. */
const GUARDS: readonly BypassRow[] = [
  {
    name: "the sensor's memory opened",
    attempt: py(`memory_of ${PID}`),
    bpf: 'EACCES',
    apparmor: null,
  },
  ...[
    ['the sensor killed', `kill -9 ${PID}`],
    ['the sensor stopped', `kill -STOP ${PID}`],
    ['the sensor asked to end', `kill -TERM ${PID}`],
    ['the sensor killed as the owner of a pipe', py(`signalled ${PID}`)],
    ['the sensor given a limit that ends it', `prlimit --pid ${PID} --cpu=1:1`],
    ['the sensor traced', py(`attach ${PID}`)],
    ["a descriptor of the sensor's taken", py(`take_descriptor ${PID}`)],
    ['the map of the rules opened for writing', py('map_of_ours rules')],
    ['the map of the mounts opened for writing', py('map_of_ours mounts')],
    ['the pins removed', 'rm -r /sys/fs/bpf/hostward'],
    ['the pins moved', 'mv /sys/fs/bpf/hostward /sys/fs/bpf/other'],
    ['the filesystem of the pins unmounted', py('uncover /sys/fs/bpf')],
    ['the same, lazily', py('uncover /sys/fs/bpf 2')],
  ].map(([name = '', attempt = '']) => ({
    ...{ name, attempt },
    bpf: 'EPERM' as const,
    apparmor: null,
  })),
];

export const BYPASS_ROWS: readonly BypassRow[] = [
  ...OTHER_WAYS,
  ...OTHER_NAMES,
  ...MOVES,
  ...COVERS,
  ...WRITES,
  ...CAPABILITIES,
  ...GUARDS,
];
