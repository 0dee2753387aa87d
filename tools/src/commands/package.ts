import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { env, execPath } from 'node:process';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { stageHost } from '#testing';
import { CommandFailed, UsageError } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { heldSums, signSums } from '../packaging/checksums.js';
import { makeDeb } from '../packaging/deb.js';
import { packageSbom } from '../packaging/package-sbom.js';
import type { Architecture, Build, Recipe } from '../packaging/recipe.js';
import { releaseKey } from '../packaging/release-key.js';
import { runProgram } from '../packaging/run-program.js';
import { makeTarball } from '../packaging/tarball.js';
import { productVersion } from '../../../apps/cli/src/product/product-version.js';
import { makeBom } from './sbom.js';

interface Options {
  readonly out?: string;
  readonly packageVersion?: string;
  readonly arch: string;
  readonly fast?: boolean;
}

/** Debian's rule for a version without an epoch and a revision. */
const VERSION = /^[0-9][0-9A-Za-z.+~]{0,63}$/;
const NAMES: readonly Recipe['name'][] = ['hostward-agent', 'hostward'];
const ARCHITECTURES: readonly Architecture[] = ['amd64', 'arm64'];
const AIM_BYTES = 45_000_000;

export function registerPackage(program: Command): void {
  program
    .command('package')
    .argument('[packages...]', NAMES.join(', '))
    .option('--out <dir>', 'where they go; build/packages by default')
    .option('--package-version <version>', 'instead of the version of package.json')
    .option('--arch <architecture>', 'amd64 or arm64', 'amd64')
    .option('--fast', 'compress little: for tests')
    .description('make the packages of hosts and control plane, with signed sums')
    .addHelpText(
      'after',
      `
Examples:
  hostward package
  hostward package hostward-agent --out /srv/packages
  HOSTWARD_RELEASE_KEY=release.key.pem hostward package --out /srv/packages
The release key is an Ed25519 key in PEM. Without one, a key for development is
made once under build/release-key, which proves nothing to anybody else.`,
    )
    .action(makePackages);
}

async function makePackages(names: readonly string[], options: Options): Promise<void> {
  const root = packageRoot();
  const out = resolve(options.out ?? join(root, 'build', 'packages'));
  const key = await releaseKey(root, env['HOSTWARD_RELEASE_KEY']);
  const wanted = names.length === 0 ? NAMES : NAMES.filter((name) => names.includes(name));
  const unknown = names.find((name) => !NAMES.some((known) => known === name));
  if (unknown !== undefined)
    throw new UsageError(`no package "${unknown}": there are ${NAMES.join(' and ')}`);
  const build = await plannedBuild(root, options);
  const work = `${out}.new`;
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, 'out'), { recursive: true });
  const files = await allFiles(wanted, build, work);
  const held = await heldSums(out, build.version, key);
  const fingerprint = await signSums(join(work, 'out'), files, key, held);
  await mkdir(out, { recursive: true });
  for (const name of await readdir(join(work, 'out')))
    await rename(join(work, 'out', name), join(out, name));
  await rm(work, { recursive: true });
  for (const file of files) console.log(await sizeLine(join(out, basename(file)), build));
  if (key.isDevelopment)
    console.log(`signed by a key for development (${key.file}): give HOSTWARD_RELEASE_KEY`);
  if (build.architecture === 'arm64') console.log('made for arm64 by cross tools, never run here');
  console.log(`packages: ${out}\nrelease key: ${fingerprint}`);
}

async function allFiles(
  names: readonly Recipe['name'][],
  build: Build,
  work: string,
): Promise<string[]> {
  const where = { work, out: join(work, 'out') };
  const sbom = join(where.out, `hostward_${build.version}.cdx.json`);
  await writeFile(sbom, build.sbom);
  const files = [sbom];
  if (names.includes('hostward-agent')) {
    const host = { name: 'hostward-agent', tree: await stagedHost(build, work) } as const;
    files.push(await makeDeb(host, build, where), await makeTarball(host, build, where));
  }
  if (names.includes('hostward')) {
    const controlPlane = { name: 'hostward', tree: await stageControlPlane(build, work) } as const;
    files.push(await makeDeb(controlPlane, build, where));
  }
  return files;
}

/** Another architecture's tree is made of what arm64.mjs gets. */
async function stagedHost({ root, architecture }: Build, work: string): Promise<string> {
  if (architecture === 'amd64') return (await stageHost(root)).dir;
  return stage(root, 'host', work, [`--arch=${architecture}`]);
}

function stageControlPlane({ root, version, architecture }: Build, work: string): Promise<string> {
  const arch = architecture === 'amd64' ? 'x64' : architecture;
  return stage(root, 'control-plane', work, [`--version=${version}`, `--arch=${arch}`]);
}

async function stage(
  root: string,
  name: string,
  work: string,
  args: readonly string[],
): Promise<string> {
  const tree = join(work, name);
  const program = join(root, `tools/stage-${name}.mjs`);
  await runProgram(execPath, [program, '--require-all', `--out=${tree}`, ...args]);
  return tree;
}

async function plannedBuild(root: string, options: Options): Promise<Build> {
  const version = options.packageVersion ?? productVersion();
  if (!VERSION.test(version))
    throw new UsageError(
      `--package-version is "${version}": must be digits, letters, ".", "+" and "~" after a digit`,
    );
  const architecture = ARCHITECTURES.find((known) => known === options.arch);
  if (architecture === undefined)
    throw new UsageError(`--arch is "${options.arch}": must be one of ${ARCHITECTURES.join(', ')}`);
  if (architecture === 'arm64') await runProgram(execPath, [join(root, 'tools/arm64.mjs')]);
  const epoch = await buildTime(root);
  const sbom = packageSbom(await makeBom(root), version, epoch);
  return { root, version, architecture, epoch, fast: options.fast === true, sbom };
}

/** The time that the compiler has of its build, in seconds since 1970: all of a build is of one time. */
async function buildTime(root: string): Promise<number> {
  const file = join(root, 'dist/apps/compiler/src/built-at.js');
  const { BUILT_AT_MS: ms } = (await import(pathToFileURL(file).href)) as { BUILT_AT_MS: unknown };
  if (typeof ms !== 'number' || !(ms > 0))
    throw new CommandFailed(`${file} tells no time of the build`, 'remove dist/, and run it again');
  return Math.floor(ms / 1000);
}

async function sizeLine(file: string, { fast }: Build): Promise<string> {
  const { size } = await stat(file);
  const note = size <= AIM_BYTES ? '' : fast ? ' (compressed little)' : ' (aim: at most 45 MB)';
  return `${(size / 1e6).toFixed(1).padStart(6)} MB  ${basename(file)}${note}`;
}
