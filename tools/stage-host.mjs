// Builds what is installed on a host as a tree: build/host (or --out DIR). Run by ./hostward after the build of dist/.
//   usr/lib/hostward/{node,lib/,agent.mjs,compiler.mjs,hostward-sensor}  usr/bin/hostward-sensor -> there
//   lib/systemd/system/*  etc/apparmor.d/*  install.sh  SHA256SUMS  CONTENT (sha256 of SHA256SUMS)
// Options: --out DIR, --no-node (leave out Node, for a look at sizes), --require-all (a missing part is an error).
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { arch } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(root, 'libs/sensor/native');
const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'build/host') },
    'no-node': { type: 'boolean' },
    'require-all': { type: 'boolean' },
  },
});

// Nest loads these only when they are used; what is not installed must not stop the bundler.
const optionalOfNest = [
  '@grpc/grpc-js',
  '@grpc/proto-loader',
  '@nats-io/*',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  'amqp-connection-manager',
  'amqplib',
  'cache-manager',
  'kafkajs',
  'mqtt',
  'nats',
];
// class-validator brings the telephone numbers of the world, a tenth of the agent; no configuration of ours has one.
const noPhoneNumbers = {
  name: 'no-phone-numbers',
  setup(builder) {
    builder.onResolve({ filter: /^libphonenumber-js/ }, () => ({
      path: 'none',
      namespace: 'no-phone-numbers',
    }));
    builder.onLoad({ filter: /.*/, namespace: 'no-phone-numbers' }, () => ({
      contents:
        'module.exports = { parsePhoneNumberFromString() { throw new Error("telephone numbers are left out of this bundle"); } };',
    }));
  },
};
const missing = [];

await stage(options.out);

async function stage(out) {
  const work = `${out}.new`;
  rmSync(work, { recursive: true, force: true });
  const lib = join(work, 'usr/lib/hostward');
  mkdirSync(lib, { recursive: true });
  await bundle('agent', join(lib, 'agent.mjs'));
  await bundle('compiler', join(lib, 'compiler.mjs'));
  if (!options['no-node']) stageNode(join(lib, 'node'));
  stageSensor(work, lib);
  stageFiles(
    join(native, 'systemd'),
    join(work, 'lib/systemd/system'),
    /\.(service|socket|timer|target|path)$/,
  );
  stageFiles(join(native, 'apparmor'), join(work, 'etc/apparmor.d'), /^hostward/);
  copyWithMode(join(root, 'tools/host/install.sh'), join(work, 'install.sh'), 0o755);
  const content = writeSums(work);
  rmSync(out, { recursive: true, force: true });
  renameSync(work, out);
  for (const part of missing) console.error(`stage-host: not there and left out: ${part}`);
  console.log(JSON.stringify({ tree: relative(root, out), content, missing }));
  if (missing.length > 0 && options['require-all']) process.exitCode = 1;
}

/** One file per program, with the names of classes kept: Nest and class-validator tell them in messages. */
async function bundle(app, outfile) {
  const entry = join(root, `dist/apps/${app}/src/main.js`);
  if (!existsSync(entry)) return missing.push(relative(root, entry));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    keepNames: true,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    external: optionalOfNest,
    logLevel: 'warning',
    absWorkingDir: root,
    plugins: [noPhoneNumbers],
    // CommonJS packages inside an ESM bundle still ask for require.
    banner: {
      js: "import { createRequire as hostwardRequire } from 'node:module'; const require = hostwardRequire(import.meta.url);",
    },
  });
  chmodSync(outfile, 0o644);
}

function stageNode(target) {
  const source = join(root, `node_modules/node-linux-${arch()}/bin/node`);
  if (!existsSync(source)) return missing.push(relative(root, source));
  // Stripped once and kept: symbols are a fifth of the file.
  const kept = join(
    root,
    `build/node-stripped-${createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)}`,
  );
  if (!existsSync(kept)) {
    mkdirSync(dirname(kept), { recursive: true });
    if (!tryStrip(source, `${kept}.new`)) copyFileSync(source, `${kept}.new`);
    execFileSync('patchelf', ['--set-rpath', '$ORIGIN/lib', `${kept}.new`]);
    renameSync(`${kept}.new`, kept);
  }
  copyWithMode(kept, target, 0o755);
  // Node needs it and a minimal Debian lacks it; it has no needs of its own beyond an old glibc.
  const libatomic = /libatomic\.so\.1 => (\S+)/.exec(
    execFileSync('ldd', [source], { encoding: 'utf8' }),
  )?.[1];
  if (libatomic === undefined) return missing.push('libatomic.so.1');
  copyWithMode(libatomic, join(dirname(target), 'lib/libatomic.so.1'), 0o644);
}

function tryStrip(source, target) {
  return ['strip', 'llvm-strip'].some((program) => {
    try {
      execFileSync(program, ['-o', target, source], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

function stageSensor(work, lib) {
  const found = join(root, 'build/sensor/hostward-sensor');
  if (!existsSync(found)) return missing.push('hostward-sensor (make -C libs/sensor/native)');
  copyWithMode(found, join(lib, 'hostward-sensor'), 0o755);
  mkdirSync(join(work, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/hostward/hostward-sensor', join(work, 'usr/bin/hostward-sensor'));
}

function stageFiles(from, to, pattern) {
  const names = existsSync(from) ? readdirSync(from).filter((name) => pattern.test(name)) : [];
  if (names.length === 0) return missing.push(`${relative(root, from)}/*`);
  for (const name of names.sort()) copyWithMode(join(from, name), join(to, name), 0o644);
}

function copyWithMode(from, to, mode) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

/** Every file's sha256 in the form of sha256sum -c; the digest of that list names the whole tree. */
function writeSums(tree) {
  const files = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const lines = files
    .map((entry) => join(entry.parentPath, entry.name))
    .map(
      (path) =>
        `${createHash('sha256').update(readFileSync(path)).digest('hex')}  ${relative(tree, path)}`,
    );
  const sums = `${lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('\n')}\n`;
  writeFileSync(join(tree, 'SHA256SUMS'), sums);
  const content = createHash('sha256').update(sums).digest('hex');
  writeFileSync(join(tree, 'CONTENT'), `${content}\n`);
  return content;
}
