import { ROOT_LABEL } from './lab.config.js';

/**
 * Makes a restored guest its own machine: entropy first, since every guest of one snapshot has the same
 * generator state, then clock, hostname, machine-id and ssh host key.
 * argv: hostname, machine-id, seconds since 1970 on the host; stdin: seed bytes.
 * The clock is never set ahead of the host: the sent time is a lower bound, and so is the RTC's whole second.
 */
const LAB_IDENTITY = `#!/usr/bin/python3
import calendar, fcntl, os, signal, socket, struct, subprocess, sys, time
host, machine_id, sent = sys.argv[1], sys.argv[2], float(sys.argv[3])
seed = sys.stdin.buffer.read(64)
with open('/dev/urandom', 'wb', 0) as pool:
    fcntl.ioctl(pool, 0x40085203, struct.pack('ii', len(seed) * 8, len(seed)) + seed)
    fcntl.ioctl(pool, 0x5207)
now = sent
try:
    with open('/dev/rtc0', 'rb', 0) as rtc:
        s, m, h, day, month, year = struct.unpack('9i', fcntl.ioctl(rtc, 0x80247009, bytes(36)))[:6]
    now = max(now, calendar.timegm((year + 1900, month + 1, day, h, m, s)))
except OSError:
    pass
time.clock_settime(time.CLOCK_REALTIME, now)
def write(path, text):
    with open(path, 'w') as f:
        f.write(text)
write('/etc/hostname', host + '\\n')
write('/etc/hosts', '127.0.0.1 localhost\\n127.0.1.1 ' + host + '\\n')
socket.sethostname(host)
write('/etc/machine-id', machine_id + '\\n')
key = '/etc/ssh/ssh_host_ed25519_key'
for name in os.listdir('/etc/ssh'):
    if name.startswith('ssh_host_'):
        os.unlink('/etc/ssh/' + name)
subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'root@' + host, '-f', key], check=True)
with open('/run/sshd.pid') as f:
    os.kill(int(f.read()), signal.SIGHUP)
# journald writes under the machine-id that it started with, and journalctl reads under the new one.
subprocess.run(['systemctl', '--no-block', 'restart', 'systemd-journald.service'], check=True)
`;

/**
 * Makes /opt/hw-repo, a local apt repository with two versions of \`hw-sample\`, and installs the first,
 * so that \`apt-get update && apt-get upgrade\` replaces /usr/bin/hw-sample without a network.
 */
const LAB_SAMPLE_REPO = `#!/bin/sh
set -eu
repo=/opt/hw-repo
mkdir -p "$repo"
for version in 1.0 2.0; do
  tree=$(mktemp -d)
  chmod 755 "$tree"
  mkdir -p "$tree/DEBIAN" "$tree/usr/bin"
  printf 'Package: hw-sample\\nVersion: %s\\nArchitecture: all\\nMaintainer: Hostward <lab@example.invalid>\\nDescription: sample for upgrade tests\\n' "$version" > "$tree/DEBIAN/control"
  printf '#!/bin/sh\\necho hw-sample %s\\n' "$version" > "$tree/usr/bin/hw-sample"
  chmod 755 "$tree/usr/bin/hw-sample"
  deb="hw-sample_\${version}_all.deb"
  dpkg-deb --root-owner-group -b "$tree" "$repo/$deb" >/dev/null
  rm -rf "$tree"
  {
    dpkg-deb -f "$repo/$deb"
    printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$repo/$deb")" "$(sha256sum "$repo/$deb" | cut -d' ' -f1)"
  } >> "$repo/Packages"
done
echo 'deb [trusted=yes] file:/opt/hw-repo ./' > /etc/apt/sources.list.d/hw-repo.list
dpkg -i "$repo/hw-sample_1.0_all.deb" >/dev/null
`;

/** How an init of the lab goes over to the root disk, by its serial: with more disks /dev/vda may be any. */
export const ENTER_ROOT = `disk=
while [ -z "$disk" ]; do
  for serial in /sys/block/vd*/serial; do
    [ "$($b cat "$serial")" = ${ROOT_LABEL} ] && disk=$($b basename "$($b dirname "$serial")")
  done
  [ -n "$disk" ] || $b usleep 20000
done
$b mount -t ext4 -o rw "/dev/$disk" /root
$b umount /sys
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
`;

/**
 * Makes /boot/lab-initrd: a static busybox, the modules of the root disk, and an init that mounts that disk. The
 * distribution's own initrd boots five seconds slower.
 */
const LAB_INITRD = `#!/bin/sh
set -eu
work=$(mktemp -d)
cd "$work"
mkdir bin dev proc sys root modules
cp /bin/busybox bin/
number=10
modprobe -S "$(ls /lib/modules)" -a --show-depends virtio_pci virtio_blk | while read -r verb file _; do
  [ "$verb" = insmod ] || continue
  number=$((number + 1))
  case "$file" in *.xz) busybox xzcat "$file" ;; *) cat "$file" ;; esac > "modules/$number.ko"
done
cat > init <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t sysfs sys /sys
for module in /modules/*; do $b insmod "$module" 2>/dev/null; done
${ENTER_ROOT}END
chmod 755 init
find . | busybox cpio -o -H newc | gzip -1 > /boot/lab-initrd
rm -rf "$work"
`;

/** Programs that the image carries in /usr/local/sbin, by name. */
export const GUEST_PROGRAMS: Record<string, string> = {
  'lab-identity': LAB_IDENTITY,
  'lab-initrd': LAB_INITRD,
  'lab-sample-repo': LAB_SAMPLE_REPO,
};
