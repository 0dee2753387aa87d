import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { readAptOrigin } from './apt-sources.js';
import { cacheEntry, pruneEntries } from './cache-entry.js';
import { GUEST_PROGRAMS } from './guest-programs.js';
import {
  customizeHook,
  type DebianRelease,
  imageFiles,
  imagePackages,
  recipeHash,
  RELEASE_NAMES,
} from './image-recipe.js';
import { labCacheDir, ROOT_LABEL } from './lab.config.js';
import { LabError } from './lab.errors.js';
import { mustRun } from './run-command.js';

const ROOT_SIZE = '4G';

/** A Debian guest image in the cache: raw root filesystem, its kernel and initrd, and the key for root's ssh. */
export interface LabImage {
  hash: string;
  dir: string;
  disk: string;
  kernel: string;
  initrd: string;
  sshKey: string;
}

/** Returns the image, built first if the cache has none of this recipe (about a minute, needs the apt mirror). */
export async function labImage(
  release: DebianRelease,
  log: (message: string) => void,
): Promise<LabImage> {
  const hash = recipeHash(release, GUEST_PROGRAMS);
  const dir = await cacheEntry(join(labCacheDir(), hash), async (building) => {
    log(`lab: building the ${RELEASE_NAMES[release]} image (once)`);
    await buildImage(release, building);
  });
  await pruneEntries(dir, '', 4);
  return imageAt(hash, dir);
}

function imageAt(hash: string, dir: string): LabImage {
  const at = (name: string): string => join(dir, name);
  return {
    hash,
    dir,
    disk: at('root.raw'),
    kernel: at('vmlinuz'),
    initrd: at('initrd'),
    sshKey: at('id_ed25519'),
  };
}

async function buildImage(release: DebianRelease, dir: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'hw-image-'));
  const root = join(work, 'root');
  try {
    await chmod(work, 0o755);
    await mustRun('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'lab',
      '-f',
      join(dir, 'id_ed25519'),
    ]);
    await writeOverlay(join(work, 'files'), await readFile(join(dir, 'id_ed25519.pub'), 'utf8'));
    await makeRoot(release, work, root);
    await takeKernel(root, dir);
    await makeDisk(root, join(work, 'root.raw'));
    await mustRun('mv', [join(work, 'root.raw'), join(dir, 'root.raw')]);
  } finally {
    await asGuestRoot('rm', ['-rf', root]);
    await rm(work, { recursive: true, force: true });
  }
}

async function writeOverlay(overlay: string, publicKey: string): Promise<void> {
  for (const [path, mode, text] of imageFiles(GUEST_PROGRAMS, publicKey)) {
    await mkdir(dirname(join(overlay, path)), { recursive: true });
    await writeFile(join(overlay, path), text, { mode });
  }
}

async function makeRoot(release: DebianRelease, work: string, root: string): Promise<void> {
  const origin = await readAptOrigin(release);
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(work, name), text, { mode: 0o755 });
    return join(work, name);
  };
  const sources = await Promise.all(origin.sources.map((text, i) => file(`origin-${i}`, text)));
  const excluded = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*'];
  await mustRun(
    'mmdebstrap',
    [
      ...[
        '--variant=minbase',
        '--format=directory',
        `--include=${imagePackages(release).join(',')}`,
      ],
      ...origin.options.map((option) => `--aptopt=${option}`),
      ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
      `--customize-hook=${await file('customize.sh', customizeHook(join(work, 'files')))}`,
      ...[release, root, ...sources],
    ],
    { timeoutMs: 15 * 60_000 },
  );
}

async function takeKernel(root: string, dir: string): Promise<void> {
  const names = await readdir(join(root, 'boot'));
  const take = async (prefix: string, to: string): Promise<void> => {
    const name = names.find((candidate) => candidate.startsWith(prefix));
    if (name === undefined) throw new LabError(`the image has no /boot/${prefix}*`);
    await copyFile(join(root, 'boot', name), join(dir, to));
  };
  await take('vmlinuz-', 'vmlinuz');
  await take('lab-initrd', 'initrd');
}

async function makeDisk(root: string, disk: string): Promise<void> {
  // Without root the folder belongs to subordinate ids, which may write only where all may.
  await writeFile(disk, '');
  await chmod(disk, 0o666);
  await asGuestRoot('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-L',
    ROOT_LABEL,
    '-d',
    root,
    disk,
    ROOT_SIZE,
  ]);
  await chmod(disk, 0o444);
}

/** mmdebstrap without root makes files of subordinate ids; its own helper enters the same namespace. */
async function asGuestRoot(file: string, args: string[]): Promise<void> {
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  if (process.getuid?.() === 0) await mustRun(file, args, { env, timeoutMs: 300_000 });
  else
    await mustRun('mmdebstrap', ['--unshare-helper', file, ...args], { env, timeoutMs: 300_000 });
}
