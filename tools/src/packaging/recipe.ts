import { join } from 'node:path';

/** Debian's name of an architecture. */
export type Architecture = 'amd64' | 'arm64';

/** What all packages of one build have in common. */
export interface Build {
  readonly root: string;
  readonly version: string;
  readonly architecture: Architecture;
  /** Seconds since 1970: the time that every file in a package has. */
  readonly epoch: number;
  /** Compresses little: for tests. */
  readonly fast: boolean;
  /** CycloneDX JSON. */
  readonly sbom: string;
}

/** A package: a tree of files, and the folder under packaging/ that says what it is. */
export interface Recipe {
  readonly name: 'hostward-agent' | 'hostward';
  /** What is installed, from the root of the file system on. */
  readonly tree: string;
}

/** Folder of a package's control file, scripts and overrides. */
export function recipeFolder(build: Build, { name }: Recipe): string {
  return join(build.root, 'packaging', name, 'debian');
}

/** xz's level; 28 MB instead of 41 for a host is worth a minute to who makes a release, not to a test. */
export function xzLevel({ fast }: Build): number {
  return fast ? 0 : 6;
}

/** With two threads and more xz makes the same bytes whatever their number is. */
export const XZ_THREADS = 2;
