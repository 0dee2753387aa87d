import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { readAptOrigin } from './apt-sources.js';
import { cacheEntry } from './cache-entry.js';
import { ENTER_ROOT } from './guest-programs.js';
import { labCacheDir } from './lab.config.js';
import { LabError } from './lab.errors.js';
import { mustRun } from './run-command.js';

/** A kernel that the image of a guest has not, and its initrd. */
export interface GuestKernel {
  readonly kernel: string;
  readonly initrd: string;
}

const RELEASE = 'trixie';
/** What the guest needs beside what is built in: its disk, its network, and USB with what is plugged in by suites. */
const MODULES = [
  ...['virtio_blk', 'ext4', 'crc32c_generic', 'virtio_net', 'virtio-rng'],
  ...['xhci-pci', 'usbhid', 'hid-generic', 'usb-storage', 'sd_mod'],
];

/** As the image's own; modules go in by and by, each as soon as what it needs is there. */
const INIT = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t sysfs sys /sys
for round in 1 2 3 4 5 6; do
  for module in /modules/*; do $b insmod "$module" 2>/dev/null && $b rm "$module"; done
done
${ENTER_ROOT}`;

/**
 * Debian's general kernel: that of the image is for clouds and has no USB. Its modules are in the initrd, so that the
 * image stays as it is. Made once, from the apt mirror, in ten seconds.
 */
export async function usbKernel(log: (message: string) => void): Promise<GuestKernel> {
  const content = createHash('sha256').update(JSON.stringify([RELEASE, MODULES, INIT]));
  const name = `usb-kernel-${content.digest('hex').slice(0, 16)}`;
  const dir = await cacheEntry(join(labCacheDir(), name), async (building) => {
    log('lab: fetching a kernel with USB (once)');
    await build(building);
  });
  return { kernel: join(dir, 'vmlinuz'), initrd: join(dir, 'initrd') };
}

async function build(dir: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'hw-usb-kernel-'));
  try {
    await chmod(work, 0o755);
    const tree = join(work, 'tree');
    await extract(work, tree);
    const boot = await readdir(join(tree, 'boot'));
    const kernel = boot.find((name) => name.startsWith('vmlinuz-'));
    if (kernel === undefined) throw new LabError('the package of the kernel has no kernel');
    await copyFile(join(tree, 'boot', kernel), join(dir, 'vmlinuz'));
    const modules = join(tree, 'usr/lib/modules', kernel.slice('vmlinuz-'.length));
    const tools = join(tree, 'usr/bin/busybox');
    const files = await moduleFiles(modules, tools);
    await makeInitrd(tools, files, join(work, 'initrd'), join(dir, 'initrd'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function extract(work: string, tree: string): Promise<void> {
  const origin = await readAptOrigin(RELEASE);
  const sources = origin.sources.map((text, i) => [join(work, `origin-${i}`), text] as const);
  for (const [file, text] of sources) await writeFile(file, text);
  await mustRun(
    'mmdebstrap',
    [
      ...['--variant=extract', '--format=directory', '--include=linux-image-amd64,busybox-static'],
      ...origin.options.map((option) => `--aptopt=${option}`),
      ...[RELEASE, tree, ...sources.map(([file]) => file)],
    ],
    { timeoutMs: 10 * 60_000 },
  );
}

/** The modules and all that they depend on, as their own `depends=` says. */
async function moduleFiles(dir: string, tools: string): Promise<readonly string[]> {
  const files = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.ko.xz'));
  const byName = new Map(files.map((name) => [plain(basename(name, '.ko.xz')), join(dir, name)]));
  const found = new Set<string>();
  const wanted = MODULES.map(plain);
  for (const name of wanted) {
    const file = byName.get(name);
    // What has no file is built in.
    if (file === undefined || found.has(file)) continue;
    found.add(file);
    wanted.push(...(await dependenciesOf(file, tools)));
  }
  return [...found];
}

function plain(name: string): string {
  return name.replaceAll('-', '_');
}

async function dependenciesOf(file: string, tools: string): Promise<readonly string[]> {
  const read = '"$2" xzcat "$1" | "$2" strings -n 8 | grep ^depends= || true';
  const info = await mustRun('sh', ['-c', read, 'sh', file, tools]);
  return info.replace('depends=', '').split(/[\n,]/).filter(Boolean).map(plain);
}

async function makeInitrd(
  tools: string,
  modules: readonly string[],
  root: string,
  to: string,
): Promise<void> {
  for (const name of ['bin', 'dev', 'proc', 'sys', 'root', 'modules'])
    await mkdir(join(root, name), { recursive: true });
  await copyFile(tools, join(root, 'bin/busybox'));
  await writeFile(join(root, 'init'), INIT, { mode: 0o755 });
  for (const file of modules) {
    const name = basename(file, '.xz');
    await mustRun('sh', [
      '-c',
      '"$3" xzcat "$1" > "$2"',
      'sh',
      file,
      join(root, 'modules', name),
      tools,
    ]);
  }
  const pack = 'cd "$1" && find . | "$2" cpio -o -H newc 2>/dev/null | gzip -1 > "$3"';
  await mustRun('sh', ['-c', pack, 'sh', root, tools, to]);
}
