import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Vm } from '#testing';
import { stageServicePrograms } from './service-programs.js';

const run = promisify(execFile);

/** What Debian's packages of the two servers start by themselves, without a password. */
const SERVICES = {
  'etcd-server': ['etcd', '/usr/bin/etcd --data-dir /run/etcd-of-debian'],
  'redis-server': ['redis-server', '/usr/bin/redis-server --dir /run --save ""'],
} as const;

/**
 * A source of packages for guests without a mirror: etcd-server and redis-server, which enable and start a service as
 * Debian's do. Their programs are those of this machine, and put into the guests beside.
 */
export async function offerServicePackages(vms: readonly Vm[], folder: string): Promise<void> {
  const offered = join(folder, 'service-packages');
  await mkdir(offered);
  await chmod(offered, 0o755);
  await stageServicePrograms(join(offered, 'programs'));
  const entries: string[] = [];
  for (const [name, [unit, command]] of Object.entries(SERVICES))
    entries.push(await makePackage(offered, name, unit, command));
  await writeFile(join(offered, 'Packages'), entries.join('\n'));
  for (const vm of vms) {
    const mount = await vm.mountFolder(offered, 'service-packages');
    await vm.ssh(
      `cp -rn ${mount}/programs/. / && echo 'deb [trusted=yes] file:${mount} ./' >/etc/apt/sources.list`,
    );
  }
}

/** Gives the package's entry of the index. */
async function makePackage(
  folder: string,
  name: string,
  unit: string,
  command: string,
): Promise<string> {
  const tree = join(folder, 'tree');
  const control = `Package: ${name}
Version: 3.5
Architecture: all
Maintainer: Nobody <nobody@localhost>
Description: ${name} of a test
`;
  const files = {
    'DEBIAN/control': control,
    'DEBIAN/postinst': `#!/bin/sh\nset -e\nsystemctl -q enable ${unit}.service\ndeb-systemd-invoke start ${unit}.service\n`,
    [`usr/lib/systemd/system/${unit}.service`]: `[Service]\nExecStart=${command}\n[Install]\nWantedBy=multi-user.target\n`,
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(tree, path, '..'), { recursive: true });
    await writeFile(join(tree, path), text, { mode: path.endsWith('postinst') ? 0o755 : 0o644 });
  }
  const file = `${name}.deb`;
  await run('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, join(folder, file)]);
  await rm(tree, { recursive: true });
  const bytes = await readFile(join(folder, file));
  const sum = createHash('sha256').update(bytes).digest('hex');
  return `${control}Filename: ./${file}\nSize: ${bytes.length}\nSHA256: ${sum}\n`;
}
