/** A package of the agent, as its file name tells it; `arch` as Debian names it. */
export interface HostPackage {
  readonly file: string;
  readonly sha256: string;
  readonly arch: 'amd64' | 'arm64';
  readonly format: 'deb' | 'tar';
}

/** What `uname -m` says on machines of an architecture. */
export const MACHINES = { amd64: 'x86_64', arm64: 'aarch64' } as const;

const NAME = /^hostward-agent_[^_]+_(?:(amd64|arm64)\.deb|linux-(amd64|arm64)\.tar\.(?:xz|gz))$/;

/** Undefined for a file that is no package of the agent. */
export function hostPackage(file: string, sha256: string): HostPackage | undefined {
  const [, deb, tar] = NAME.exec(file) ?? [];
  const arch = (deb ?? tar) as HostPackage['arch'] | undefined;
  return arch && { file, sha256, arch, format: deb === undefined ? 'tar' : 'deb' };
}
