import { SLEEP, TOOL } from './bypass-row.js';

/** Made before the rules come: what they speak of, what stands beside it, and what was there first. */
export const BYPASS_SETUP = `set -e
id someone 2>/dev/null || useradd someone
mkdir -p /srv/secret /srv/open /srv/keys /srv/ro /srv/homes/u/.ssh /srv/homes/u/plain /srv/race/one /srv/own /mnt/bypass
mkdir -p /srv/real /srv/alias /srv/house /srv/pkg /srv/image/etc /srv/layers/lower /srv/layers/upper /srv/layers/work /srv/merged
modprobe overlay; modprobe loop
mount -t tmpfs none /srv/own
mount --bind /srv/real /srv/alias
truncate -s 8M /srv/house.img; mkfs.ext4 -q /srv/house.img; mount -o loop /srv/house.img /srv/house
mkdir /srv/house/u
truncate -s 128M /srv/tree.img; mkfs.btrfs -q /srv/tree.img; mkdir /srv/tree; mount -o loop /srv/tree.img /srv/tree
btrfs -q subvolume create /srv/tree/home; btrfs -q subvolume create /srv/tree/other
echo data > /srv/tree/home/key; echo data > /srv/tree/other/key; echo data > /srv/tree/home/alone
ln /srv/tree/home/key /srv/tree/home/link-before
btrfs -q subvolume snapshot /srv/tree/home /srv/tree/before
echo data > /srv/layers/lower/a
mount -t overlay -o lowerdir=/srv/layers/lower,upperdir=/srv/layers/upper,workdir=/srv/layers/work overlay /srv/merged
for file in /srv/secret/a /srv/keys/id /srv/ro/f /srv/homes/u/.ssh/id_rsa /srv/race/one/secret /srv/own/secret /srv/open/a \
  /srv/real/x /srv/real/y /srv/house/u/key /srv/image/etc/bypass-shadow /etc/bypass-shadow /srv/ro/twice; do
  echo data > $file
done
for program in tool old; do cp ${SLEEP} /srv/pkg/$program; ln /srv/pkg/$program /srv/open/$program-before; done
for program in reader quiet asker; do cp /usr/bin/cat /srv/pkg/$program; done; echo data > /srv/keys/lent
ln /srv/keys/id /srv/open/link-before
ln /srv/secret/a /srv/open/link-secret
ln /srv/homes/u/.ssh/id_rsa /srv/open/link-rsa
ln /srv/ro/twice /srv/open/link-ro
ln /srv/real/x /srv/open/link-alias
ln /srv/own/secret /srv/own/link-before
ln /srv/house/u/key /srv/house/link-before
chmod -R a+rwX /srv/secret /srv/open /srv/keys /srv/ro /srv/homes /srv/race /srv/own /srv/real /srv/house /srv/tree /srv/image /srv/merged /etc/bypass-shadow
echo 1 > /proc/sys/fs/protected_hardlinks
systemd-run --quiet --unit=bypass-others --uid=someone python3 -c 'import time; time.sleep(86400)'
systemd-run --quiet --unit=bypass-hold python3 ${TOOL} hold /srv/secret/a /run/bypass-hold
until test -e /run/bypass-hold.held; do sleep 0.1; done
`;

export const BYPASS_POLICY = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: bypass}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  process: {matchPaths: [{path: ${SLEEP}}, {path: /srv/pkg/tool}, {path: /srv/pkg/old}]}
  file:
    matchPaths:
      [{path: /srv/keys/id}, {path: /srv/own/secret}, {path: /srv/alias/x}, {path: /srv/house/u/key}, {path: /srv/tree/home/key}, {path: /srv/tree/home/alone},
       {path: /srv/merged/a}, {path: /etc/bypass-shadow}, {path: /srv/keys/lent},
       {path: /srv/keys/lent, action: Allow, fromSource: [{path: /srv/pkg/reader}]}]
    matchDirectories: [{dir: /srv/secret/, recursive: true}, {dir: /srv/ro/, recursive: true, readOnly: true}]
    matchPatterns: [{pattern: '/srv/homes/**/.ssh/id_*'}, {pattern: /srv/race/*/secret}]
  capabilities: {matchCapabilities: [{capability: sys_ptrace, fromSource: [{path: /srv/pkg/quiet}, {path: /srv/pkg/asker}]}]}
  action: Block
`;

/** More than the kernel's part can bind one file to. */
export const MANY_NAMES = [1, 2, 3, 4, 5].map((number) => `/srv/open/many-${number}`);

/** Comes when a process has open what it refuses. */
export const BYPASS_LATER_POLICY = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: bypass-later}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  file:
    matchPaths: [{path: /srv/open/later}, ${MANY_NAMES.map((path) => `{path: ${path}}`).join(', ')}]
  action: Block
`;
