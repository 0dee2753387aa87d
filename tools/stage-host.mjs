// Builds what is installed on a host as a tree: build/host (or --out DIR). Run by ./hostward after the build of dist/.
//   usr/lib/hostward/{node,lib/,agent.mjs,compiler.mjs,hostward-sensor,*.sh}  usr/bin/hostward-{agent,sensor}
//   usr/lib/{systemd/system,sysusers.d,tmpfiles.d}/*  usr/share/{man,bash-completion}/*  etc/apparmor.d/*
//   install.sh  uninstall.sh  SHA256SUMS  CONTENT (sha256 of SHA256SUMS)
// Options: --out DIR, --arch x64|arm64, --require-all (a missing part is an error). Answers one JSON object.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { arch as ownArch } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import {
  bundle,
  checksInUse,
  copyWithMode,
  publish,
  root,
  stageFiles,
  stageManuals,
  stageNode,
  withoutSymbols,
} from './staging.mjs';

const native = join(root, 'libs/sensor/native');
const recipe = join(root, 'packaging/hostward-agent');
const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'build/host') },
    arch: { type: 'string', default: ownArch() },
    'require-all': { type: 'boolean' },
  },
});
const { out, arch } = options;
const missing = [];

const work = `${out}.new`;
rmSync(work, { recursive: true, force: true });
const library = join(work, 'usr/lib/hostward');
mkdirSync(join(work, 'usr/bin'), { recursive: true });
mkdirSync(library, { recursive: true });

for (const app of ['agent', 'compiler'])
  if (!(await bundle(app, join(library, `${app}.mjs`), { plugins: [checksInUse] })))
    missing.push(`dist/apps/${app}`);
missing.push(...stageNode(join(library, 'node'), arch));
stageSensor(join(root, 'build', arch === ownArch() ? 'sensor' : `${arch}/sensor`));
const folders = [
  [join(native, 'systemd'), 'usr/lib/systemd/system', /\.(service|socket|timer|target|path)$/],
  [join(native, 'apparmor'), 'etc/apparmor.d', /^hostward/],
  [join(recipe, 'sysusers.d'), 'usr/lib/sysusers.d', /\.conf$/],
  [join(recipe, 'tmpfiles.d'), 'usr/lib/tmpfiles.d', /\.conf$/],
  [join(recipe, 'completions'), 'usr/share/bash-completion/completions', /^hostward/],
];
for (const [from, to, pattern] of folders)
  if (!stageFiles(from, join(work, to), pattern)) missing.push(`${relative(root, from)}/*`);
stageFiles(join(recipe, 'bin'), join(work, 'usr/bin'), /^hostward/, 0o755);
stageFiles(join(recipe, 'lib'), library, /\.sh$/, 0o755);
// What `hostward-agent preflight` and `offboard` run, and what takes away what install.sh put here.
stageFiles(join(root, 'tools/host'), library, /^(preflight|offboard)\.sh$/, 0o755);
stageManuals(join(recipe, 'man'), work);
stageFiles(join(root, 'tools/host'), work, /^(un)?install\.sh$/, 0o755);

const content = publish(work, out);
for (const part of missing) console.error(`stage-host: not there and left out: ${part}`);
console.log(JSON.stringify({ tree: relative(root, out), content, missing }));
if (missing.length > 0 && options['require-all']) process.exitCode = 1;

function stageSensor(folder) {
  const found = join(folder, 'hostward-sensor');
  if (!existsSync(found))
    return missing.push(`${relative(root, found)} (make -C libs/sensor/native)`);
  // Its AppArmor profile is exempt from every rule set, so nobody but root starts it.
  copyWithMode(withoutSymbols(found, arch), join(library, 'hostward-sensor'), 0o750);
  symlinkSync('../lib/hostward/hostward-sensor', join(work, 'usr/bin/hostward-sensor'));
}
