// Builds what is installed for control plane and CLI as a tree: build/control-plane (or --out DIR). Run by ./hostward
// after the build of dist/. The programs lie as in dist/, so that they find one another in the same way.
//   usr/lib/hostward-control-plane/{node,lib/,defer-accept,package.json,dist/apps/{cli,control-plane,agent}/src/bundle.js,
//     dist/apps/control-plane/src/judging-thread.cjs}
//   usr/bin/hostward{,-control-plane}  usr/lib/{systemd/system,sysusers.d,tmpfiles.d}/*  usr/share/{man,bash-completion,zsh}/*
//   SHA256SUMS  CONTENT (sha256 of SHA256SUMS)
// Options: --out DIR, --version VERSION, --arch x64|arm64, --require-all (a missing part is an error). Answers one JSON object.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch as ownArch } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import {
  JUDGING_THREAD,
  PROGRAMS,
  publish,
  root,
  stageFiles,
  stageManuals,
  stageNode,
} from './staging.mjs';

const recipe = join(root, 'packaging/hostward');
const { name, version: own } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'build/control-plane') },
    version: { type: 'string', default: own },
    arch: { type: 'string', default: ownArch() },
    'require-all': { type: 'boolean' },
  },
});
const { out, version, arch } = options;
const missing = [];

const work = `${out}.new`;
rmSync(work, { recursive: true, force: true });
const library = join(work, 'usr/lib/hostward-control-plane');
const apps = join(library, 'dist/apps');
mkdirSync(apps, { recursive: true });

const built = join(root, 'dist/apps');
for (const app of PROGRAMS)
  if (!stageFiles(join(built, app, 'src'), join(apps, app, 'src'), /^bundle\.js$/))
    missing.push(`dist/apps/${app}/src/bundle.js`);
const plane = 'control-plane/src';
if (!stageFiles(join(built, plane), join(apps, plane), new RegExp(`^${JUDGING_THREAD}$`)))
  missing.push(`dist/apps/${plane}/${JUDGING_THREAD}`);
if (!stageFiles(join(built, 'control-plane/proto'), join(apps, 'control-plane/proto'), /\.proto$/))
  missing.push('dist/apps/control-plane/proto/*');
writeFileSync(
  join(library, 'package.json'),
  `${JSON.stringify({ name, version, private: true, type: 'module' })}\n`,
);
missing.push(...stageNode(join(library, 'node'), arch));
const folders = [
  ['systemd', 'usr/lib/systemd/system', /\.(service|timer)$/],
  ['examples', 'usr/share/hostward/examples', /\.(env|conf)$/],
  ['sysusers.d', 'usr/lib/sysusers.d', /\.conf$/],
  ['tmpfiles.d', 'usr/lib/tmpfiles.d', /\.conf$/],
];
for (const [from, to, pattern] of folders)
  if (!stageFiles(join(recipe, from), join(work, to), pattern)) missing.push(`${from}/*`);
stageFiles(join(recipe, 'bin'), join(work, 'usr/bin'), /^hostward/, 0o755);
stageFiles(join(recipe, 'lib'), library, /^defer-accept$/, 0o755);
// `bootstrap` looks at hosts by it.
if (!stageFiles(join(root, 'tools/host'), join(library, 'tools/host'), /^preflight\.sh$/, 0o755))
  missing.push('tools/host/preflight.sh');
stageManuals(join(recipe, 'man'), work);
stageCompletion('bash', 'usr/share/bash-completion/completions', 'hostward');
stageCompletion('zsh', 'usr/share/zsh/vendor-completions', '_hostward');

const content = publish(work, out);
for (const part of missing) console.error(`stage-control-plane: not there and left out: ${part}`);
console.log(JSON.stringify({ tree: relative(root, out), content, missing }));
if (missing.length > 0 && options['require-all']) process.exitCode = 1;

function stageCompletion(shell, folder, file) {
  const main = join(root, 'dist/apps/cli/src/bundle.js');
  const script = execFileSync(process.execPath, [main, 'completion', shell], { encoding: 'utf8' });
  mkdirSync(join(work, folder), { recursive: true });
  writeFileSync(join(work, folder, file), script);
}
