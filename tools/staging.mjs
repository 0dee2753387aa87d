// What the trees of the packages are made of: bundled programs, Node, plain files and their sums.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { arch as ownArch } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What a control plane is installed with, each program in one file. */
export const PROGRAMS = ['cli', 'control-plane', 'agent'];

/** Beside the bundle of the control plane, which reads long texts in it. */
export const JUDGING_THREAD = 'judging-thread.cjs';

/** Prefix of an architecture's tools, by Node's name of it. */
const TOOLS = { x64: 'x86_64-linux-gnu-', arm64: 'aarch64-linux-gnu-' };

/** Nest loads these only when they are used, which none of our programs does; what is not installed must not stop the bundler. */
export const UNUSED = [
  '@nats-io/*',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  'amqp-connection-manager',
  'amqplib',
  'cache-manager',
  'kafkajs',
  'mqtt',
  'nats',
];

/** Nor does a program of a host use these. */
const UNUSED_ON_HOSTS = [
  ...UNUSED,
  '@grpc/grpc-js',
  '@grpc/proto-loader',
  '@nestjs/platform-fastify',
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

// An `import` of a module of Node's asks for all that it exports, lazy parts too, and http's bring a client of their own: a
// third of the agent's start. `require` takes what is used.
const builtinsByRequire = {
  name: 'builtins-by-require',
  setup(builder) {
    builder.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      isBuiltin(path) && kind !== 'require-call' ? { path, namespace: 'builtin' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}');`,
    }));
  },
};

// Of class-validator a host uses a few checks, of which only ES modules let the rest be left out; all of them are read and
// run at each start otherwise. Nest would load the whole for a pipe, which no program of a host has.
export const checksInUse = {
  name: 'checks-in-use',
  setup(builder) {
    builder.onResolve({ filter: /^class-(validator|transformer)(\/|$)/ }, ({ path, kind }) =>
      kind === 'import-statement'
        ? { path: join(root, 'node_modules', path, 'esm2015/index.js'), sideEffects: false }
        : { path, external: true },
    );
  },
};

/** The libraries of the same build: package.json names those of dist/, which may be older, or not there yet. */
const librariesOf = (dist) => ({
  name: 'libraries',
  setup(builder) {
    builder.onResolve({ filter: /^#/ }, ({ path }) => ({
      path: join(dist, 'libs', path.slice(1), 'src/index.js'),
    }));
  },
});

/**
 * Bundles apps/APP/src/main.js of `dist`, or another `module` of it; false where it is not built. The names of classes are
 * kept: Nest and class-validator tell them in messages. `more` are options of esbuild.
 */
export async function bundle(app, outfile, more = {}) {
  const { dist = join(root, 'dist'), module = 'main', ...options } = more;
  const { external = UNUSED_ON_HOSTS, plugins = [], ...rest } = options;
  const folder = app === 'tools' ? app : `apps/${app}`;
  const entry = join(dist, `${folder}/src/${module}.js`);
  if (!existsSync(entry)) return false;
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
    external,
    logLevel: 'warning',
    absWorkingDir: root,
    plugins: [librariesOf(dist), noPhoneNumbers, builtinsByRequire, ...plugins],
    // CommonJS packages inside an ESM bundle still ask for require.
    banner: {
      js: "import { createRequire as hostwardRequire } from 'node:module'; const require = hostwardRequire(import.meta.url);",
    },
    ...rest,
  });
  chmodSync(outfile, 0o644);
  return true;
}

/** Puts Node at `target`, without symbols, and libatomic beside it; returns what is missing. */
export function stageNode(target, arch) {
  const { source, libatomic } = nodeOf(arch);
  if (!existsSync(source)) return [relative(root, source)];
  copyWithMode(withoutSymbols(source, arch, ['--set-rpath', '$ORIGIN/lib']), target, 0o755);
  if (libatomic === undefined) return ['libatomic.so.1'];
  copyWithMode(libatomic, join(dirname(target), 'lib/libatomic.so.1'), 0o644);
  return [];
}

/** Node, and the libatomic that it needs and a minimal Debian lacks, which needs an old glibc alone. */
function nodeOf(arch) {
  const fetched = join(root, `build/${arch}`);
  if (arch !== ownArch())
    return { source: join(fetched, 'node'), libatomic: join(fetched, 'libatomic.so.1') };
  const source = join(root, `node_modules/node-linux-${arch}/bin/node`);
  const found = existsSync(source) ? execFileSync('ldd', [source], { encoding: 'utf8' }) : '';
  return { source, libatomic: /libatomic\.so\.1 => (\S+)/.exec(found)?.[1] };
}

/** A copy of a program without symbols, made once per content and kept under build/: they are a fifth of Node. */
export function withoutSymbols(source, arch, patchelf = []) {
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const kept = join(root, `build/stripped/${arch}-${digest}`);
  if (existsSync(kept)) return kept;
  mkdirSync(dirname(kept), { recursive: true });
  if (!tryStrip(source, `${kept}.new`, arch)) copyFileSync(source, `${kept}.new`);
  if (patchelf.length > 0) execFileSync('patchelf', [...patchelf, `${kept}.new`]);
  renameSync(`${kept}.new`, kept);
  return kept;
}

function tryStrip(source, target, arch) {
  return [`${TOOLS[arch]}strip`, 'strip', 'llvm-strip'].some((program) => {
    try {
      execFileSync(program, ['-o', target, source], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** Copies what of a folder fits a pattern; false where nothing does. */
export function stageFiles(from, to, pattern, mode = 0o644) {
  const names = existsSync(from) ? readdirSync(from).filter((name) => pattern.test(name)) : [];
  for (const name of names.sort()) copyWithMode(join(from, name), join(to, name), mode);
  return names.length > 0;
}

/** Compresses the manual pages of a folder to where man finds them, by the number in their name. */
export function stageManuals(from, tree) {
  for (const name of readdirSync(from).sort()) {
    const folder = join(tree, `usr/share/man/man${name.at(-1)}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, `${name}.gz`),
      gzipSync(readFileSync(join(from, name)), { level: 9 }),
    );
  }
}

export function copyWithMode(from, to, mode) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

/** Puts the finished tree `work` at `out`. Where it is there already it stays, since a VM may be reading it. */
export function publish(work, out) {
  const content = writeSums(work);
  const held = join(out, 'CONTENT');
  if (existsSync(held) && readFileSync(held, 'utf8') === `${content}\n`) {
    rmSync(work, { recursive: true });
  } else {
    rmSync(out, { recursive: true, force: true });
    renameSync(work, out);
  }
  return content;
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
