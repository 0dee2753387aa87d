import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Component } from './bom.js';

interface Needed {
  readonly name: string;
  /** How the product has it: linked into a program of ours, copied to hosts, or run as it is. */
  readonly how: 'linked' | 'bundled' | 'run';
  readonly why: string;
}

/** What is not of npm and yet part of a running Hostward. */
const NEEDED: readonly Needed[] = [
  { name: 'libc6', how: 'linked', why: 'hostward-sensor, and Node' },
  { name: 'libbpf-dev', how: 'linked', why: 'loads the BPF programs: inside hostward-sensor' },
  { name: 'libelf-dev', how: 'linked', why: 'for libbpf: inside hostward-sensor' },
  { name: 'zlib1g-dev', how: 'linked', why: 'for libelf: inside hostward-sensor' },
  { name: 'libzstd-dev', how: 'linked', why: 'for libelf: inside hostward-sensor' },
  { name: 'libatomic1', how: 'bundled', why: 'goes to hosts beside Node' },
  { name: 'apparmor', how: 'run', why: 'apparmor_parser compiles the profiles' },
  { name: 'etcd-server', how: 'run', why: 'the store of `up`' },
  { name: 'redis-server', how: 'run', why: 'the broker of `up`' },
  { name: 'valkey-server', how: 'run', why: 'the broker of `up`, instead of redis-server' },
  { name: 'openssl', how: 'run', why: 'asked for by `up`' },
];

const TIMEOUT_MS = 20_000;

/** The Debian packages that this build is linked with, carries or runs, as far as they are installed here. */
export async function debianComponents(): Promise<readonly Component[]> {
  const distribution = await distributionId();
  const found = await Promise.all(NEEDED.map((needed) => componentOf(needed, distribution)));
  return found.filter((component) => component !== undefined);
}

async function componentOf(
  { name, how, why }: Needed,
  distribution: string,
): Promise<Component | undefined> {
  const format = '${db:Status-Status} ${Version} ${Architecture}';
  const asked = promisify(execFile)('dpkg-query', ['-W', `-f=${format}`, name], {
    timeout: TIMEOUT_MS,
  });
  const said = await asked.then(({ stdout }) => stdout).catch(() => '');
  const [status, version, architecture] = said.split(' ');
  if (status !== 'installed' || version === undefined) return undefined;
  const purl = `pkg:deb/${distribution}/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
  const properties = [
    { name: 'hostward:how', value: how },
    { name: 'hostward:why', value: why },
  ];
  const type = how === 'run' ? 'application' : 'library';
  return { type, name, version, 'bom-ref': purl, purl, properties };
}

async function distributionId(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID=["']?([a-z0-9._-]+)/m.exec(text)?.[1] ?? 'debian';
}
