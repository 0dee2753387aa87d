// Puts each program of control plane and CLI into one file beside its modules, as packages have it: apps/APP/src/bundle.js
// of the folder that is named; and tools/src/bundle.js, which no package has. A program starts in half the time so. Run by
// tools/prepare.sh after the build of dist/.
import { cpSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundle, checksInUse, JUDGING_THREAD, PROGRAMS, root, UNUSED } from './staging.mjs';

const dist = resolve(process.argv[2]);

// Fastify's plugins are not used either; ssh2 goes on in JavaScript without its native parts.
const external = [
  ...UNUSED,
  '@fastify/multipart',
  '@fastify/static',
  '@fastify/view',
  '*.node',
  'cpu-features',
];

// etcd3 reads the protocol from a file beside the folder of its program.
const withFolder = {
  define: { __dirname: 'hostwardFolder' },
  banner: {
    js: [
      "import { createRequire as hostwardRequire } from 'node:module';",
      'const require = hostwardRequire(import.meta.url);',
      'const hostwardFolder = import.meta.dirname;',
    ].join(' '),
  },
};
cpSync(join(root, 'node_modules/etcd3/proto'), join(dist, 'apps/control-plane/proto'), {
  recursive: true,
});

const made = await Promise.all([
  ...PROGRAMS.map((app) =>
    bundle(app, join(dist, `apps/${app}/src/bundle.js`), { dist, external, ...withFolder }),
  ),
  bundle('tools', join(dist, 'tools/src/bundle.js'), { dist, external, ...withFolder }),
  bundle('control-plane', join(dist, 'apps/control-plane/src', JUDGING_THREAD), {
    ...{ dist, external, module: 'policies/judging-thread', plugins: [checksInUse] },
    // CommonJS: it is run from its text, which has no place to import from.
    ...{ format: 'cjs', banner: {} },
  }),
]);
const missing = [...PROGRAMS, 'tools', JUDGING_THREAD].filter((_, at) => !made[at]);
if (missing.length > 0) throw new Error(`${dist} has no modules of ${missing.join(', ')}`);
