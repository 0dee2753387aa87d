import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { hostPackage } from '#contracts';
import { cloudInit, installScript, type ScriptValues } from './install-script.js';

const folder = mkdtempSync(join(tmpdir(), 'hw-script-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TOKEN = `hwj_0123456789abcdef_${'A'.repeat(43)}`;
const VALUES: ScriptValues = {
  name: 'web1',
  url: 'https://127.0.0.1:7443',
  caFingerprint: 'ab'.repeat(32),
  enforcer: 'auto',
  token: TOKEN,
  expiresAt: '2999-01-01T00:00:00.000Z',
  releaseKey: '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n',
  packages: [
    { file: 'hostward-agent_1_amd64.deb', sha256: 'cd'.repeat(32), arch: 'amd64', format: 'deb' },
    {
      file: 'hostward-agent_1_linux-arm64.tar.xz',
      ...{ sha256: 'ef'.repeat(32), arch: 'arm64', format: 'tar' },
    },
  ],
};

/** Every shell there is here: the script must mean the same in each. */
const SHELLS = ['dash', 'bash'].filter((shell) => existsSync(`/bin/${shell}`));

/** Texts that would do harm, or be lost, where a value is not quoted. */
const HOSTILE = [
  `'; touch ${join(folder, 'harm')}; '`,
  `$(touch ${join(folder, 'harm')})`,
  `\`touch ${join(folder, 'harm')}\``,
  '"; exit 0; "',
  "'\\''",
  '\\',
  '-n',
  '$HOME ${PATH} $$ $? !! *',
  'a  b\tc\nd',
  '#nothing',
  "it's %s \\n \u00e4\u{1f600}",
  'EOF\n}\nmain() { :; }\n',
];

/** What the package brings, as far as it is looked for. */
function putPrograms(root: string): void {
  writeFileSync(join(root, 'node'), '', { mode: 0o755 });
  writeFileSync(join(root, 'agent.mjs'), '');
}

/** What a shell has in a variable after the script's own function has set it. */
function valueOf(shell: string, script: string, variable: string): string {
  const functions = script.slice(0, script.lastIndexOf('main "$@"'));
  const input = `${functions}\nvalues\nprintf '%s' "$${variable}"`;
  return execFileSync(`/bin/${shell}`, ['-s'], { input, encoding: 'utf8', env: { PATH: '' } });
}

describe.each(SHELLS)('an install script in %s', (shell) => {
  it.each(HOSTILE)(
    'takes %j as a name, a token, a time, a key: itself, and nothing else',
    (text) => {
      const hostile = { name: text, token: text, expiresAt: text, releaseKey: `k${text}k` };
      const script = installScript({ ...VALUES, ...hostile });
      const found = ['name', 'token', 'expires', 'release_key'].map((variable) =>
        valueOf(shell, script, variable),
      );
      expect(found).toEqual([text, text, text, `k${text}k`]);
      expect(existsSync(join(folder, 'harm'))).toBe(false);
    },
  );

  it('gives the host a configuration that is YAML, whatever the URL', () => {
    const yaml = valueOf(shell, installScript(VALUES), 'agent_yaml');
    expect(parse(yaml)).toEqual({
      controlPlane: { url: VALUES.url, caFingerprint: VALUES.caFingerprint },
      enforcer: 'auto',
    });
  });

  it.each([
    ['observe', '# nothing\n', 'auto'],
    ['auto', 'enforcer: "observe"\n', 'observe'],
    ['bpf', 'enforcer: bpf # ours\n', 'installs'],
    ['auto', '', 'installs'],
    [undefined, 'enforcer: observe\n', 'installs'],
  ] as const)(
    'asked for the enforcer %s, ends before it installs where the configuration that stays says otherwise: %j',
    (enforcer, kept, found) => {
      const file = join(folder, 'agent.yaml');
      writeFileSync(file, `controlPlane: { caFingerprint: ${VALUES.caFingerprint} }\n${kept}`);
      const script = installScript({ ...VALUES, enforcer }).replaceAll('/etc/hostward', folder);
      const input = `${script.slice(0, script.lastIndexOf('main "$@"'))}
values; install_package() { echo installs; exit; }; join_host package`;
      const { stdout, stderr } = spawnSync(`/bin/${shell}`, ['-s'], { input, encoding: 'utf8' });
      if (found === 'installs') expect(stdout).toBe('installs\n');
      else
        expect([stdout, stderr]).toEqual([
          '',
          expect.stringContaining(`error enforcer-differs: ${file} says 'enforcer: ${found}'`),
        ]);
    },
  );

  it.each([
    ['observe', 'bpf', 'differs'],
    ['bpf', 'bpf', 'stays'],
    ['observe', undefined, 'stays'],
  ] as const)('a host that is in and keeps %s, asked for %s: %s', (kept, enforcer, what) => {
    const file = join(folder, 'agent.yaml');
    writeFileSync(
      file,
      `controlPlane: { caFingerprint: ${VALUES.caFingerprint} }\nenforcer: ${kept}\n`,
    );
    writeFileSync(join(folder, 'node-id'), 'an id');
    putPrograms(folder);
    const script = installScript({ ...VALUES, enforcer })
      .replaceAll('/etc/hostward', folder)
      .replaceAll('/usr/lib/hostward', folder)
      .replaceAll('/var/lib/hostward/trust', folder);
    const input = `${script.slice(0, script.lastIndexOf('main "$@"'))}
values; systemctl() { :; }; keep_host; echo stays`;
    const { stdout, stderr } = spawnSync(`/bin/${shell}`, ['-s'], { input, encoding: 'utf8' });
    if (what === 'stays') expect([stdout, stderr]).toEqual(['stays\n', '']);
    else
      expect([stdout, stderr]).toEqual([
        '',
        expect.stringContaining(
          `error enforcer-differs: ${file} says 'enforcer: observe', and bpf is asked for`,
        ),
      ]);
  });

  it.each([
    ['bpf', 'goes on'],
    [undefined, 'goes on'],
    ['observe', 'differs'],
  ] as const)(
    'a host whose run ended before its configuration had its name, asked for %s: %s, without the token',
    (enforcer, what) => {
      const root = mkdtempSync(join(folder, 'broken-'));
      const file = join(root, 'agent.yaml');
      const [other, ours] = [
        `controlPlane: { caFingerprint: ${'cd'.repeat(32)} }\nenforcer: observe\n`,
        `controlPlane: { caFingerprint: ${VALUES.caFingerprint} }\nenforcer: bpf\n`,
      ];
      writeFileSync(file, other);
      writeFileSync(`${file}.new`, ours);
      mkdirSync(join(root, 'agent'));
      writeFileSync(join(root, 'agent/ca.pem'), VALUES.caFingerprint);
      writeFileSync(join(root, 'node-id'), 'an id');
      putPrograms(root);
      mkdirSync(join(root, 'cloud'));
      const kept = join(root, 'cloud/user-data');
      writeFileSync(kept, `token=${TOKEN}\n`);
      const path = join(root, 'install.sh');
      const script = installScript({ ...VALUES, enforcer })
        .replaceAll('/etc/hostward', root)
        .replaceAll('/usr/lib/hostward', root)
        .replaceAll('/var/lib/hostward/trust', root)
        .replaceAll('/var/lib/hostward/agent', join(root, 'agent'))
        .replaceAll('/var/lib/cloud', join(root, 'cloud'));
      // Every service runs already.
      writeFileSync(
        path,
        `${script.slice(0, script.lastIndexOf('main "$@"'))}
values; work=${root}; systemctl() { echo "$*" >>${root}/units; }; keep_host`,
      );
      const { stderr } = spawnSync(`/bin/${shell}`, [path], { encoding: 'utf8' });
      const units = existsSync(join(root, 'units')) && readFileSync(join(root, 'units'), 'utf8');
      const before = existsSync(`${file}.before`) && readFileSync(`${file}.before`, 'utf8');
      if (what === 'goes on') {
        expect(units).toContain('restart hostward-compiler.socket hostward-sensor.service');
        expect([stderr, readFileSync(file, 'utf8'), before]).toEqual(['', ours, other]);
      } else {
        expect([units, readFileSync(file, 'utf8'), before]).toEqual([false, other, false]);
        expect(stderr).toContain(
          `error enforcer-differs: ${file}.new says 'enforcer: bpf', and observe is asked for`,
        );
      }
      expect([existsSync(path), readFileSync(kept, 'utf8')]).toEqual([
        false,
        `token=${'x'.repeat(64)}\n`,
      ]);
    },
  );

  it.each([
    ['comes', ['starts']],
    ['does not come', []],
  ])(
    'a host whose programs were removed has them again before it starts, where the package %s',
    (what, ends) => {
      const root = mkdtempSync(join(folder, 'removed-'));
      const file = join(root, 'agent.yaml');
      writeFileSync(file, `controlPlane: { caFingerprint: ${VALUES.caFingerprint} }\n`);
      writeFileSync(join(root, 'node-id'), 'an id');
      const path = join(root, 'install.sh');
      const script = installScript(VALUES)
        .replaceAll('/etc/hostward', root)
        .replaceAll('/usr/lib/hostward', root)
        .replaceAll('/var/lib/hostward/trust', root);
      const comes = what === 'comes' ? 'package=file' : 'fail download-failed "it does not come"';
      writeFileSync(
        path,
        `${script.slice(0, script.lastIndexOf('main "$@"'))}
values; work=${root}; systemctl() { return 1; }; get_package() { ${comes}; }; start_units() { echo starts; }
install_package() { [ "$1" = ${root}/file ] && [ ! -e "$0" ] && : >${root}/agent.mjs; }; keep_host`,
      );
      const { stdout, stderr } = spawnSync(`/bin/${shell}`, [path], { encoding: 'utf8' });
      expect(stdout.split('\n').filter(Boolean)).toEqual(ends);
      // What it could not fetch it can fetch the next time.
      if (what === 'comes') expect(stderr).toBe('');
      else expect(stderr).toContain('error download-failed: it does not come');
      expect([existsSync(path), existsSync(join(root, 'agent.mjs'))]).toEqual([
        what !== 'comes',
        what === 'comes',
      ]);
    },
  );

  it('does nothing when it is cut anywhere before its last line', () => {
    const script = installScript(VALUES);
    const last = script.lastIndexOf('main "$@"');
    const ran = join(folder, `ran-${shell}`);
    const stand = join(folder, 'id');
    // Whatever it would run first says so, and there is nothing else to run.
    writeFileSync(stand, `#!/bin/sh\n: >${ran}\nexit 1\n`);
    chmodSync(stand, 0o755);
    const cuts = Array.from({ length: Math.ceil(last / 191) }, (_, at) => at * 191);
    for (const cut of [...cuts, last, last + 1, last + 3]) {
      const { stdout } = spawnSync(`/bin/${shell}`, ['-s'], {
        input: script.slice(0, cut),
        env: { PATH: folder },
        cwd: folder,
      });
      expect([cut, stdout.toString(), existsSync(ran)]).toEqual([cut, '', false]);
    }
    spawnSync(`/bin/${shell}`, ['-s'], { input: script, env: { PATH: folder }, cwd: folder });
    expect(existsSync(ran)).toBe(true);
  });
});

describe('an install script', () => {
  it('is short enough to be read', () => {
    const lines = installScript(VALUES).split('\n');
    expect(lines.length).toBeLessThan(210);
    expect(lines.at(-2)).toBe('main "$@"');
  });

  it('has its token in one place, which is neither a command line nor an environment', () => {
    const script = installScript(VALUES);
    expect(script.split(TOKEN)).toHaveLength(2);
    expect(script).not.toMatch(/export|set -x/);
    // printf is the shell's own: no process has the token in its arguments.
    expect([...script.matchAll(/\$token\b.*/g)].map(([line]) => line)).toEqual([
      '$token" | join_host "$work/$package"',
    ]);
  });

  it('is the content of cloud-config that parses, with the script whole', () => {
    for (const text of ['web1', ...HOSTILE]) {
      const script = installScript({ ...VALUES, name: text });
      const config = cloudInit(script);
      expect(config.startsWith('#cloud-config\n')).toBe(true);
      expect(parse(config)).toEqual({
        write_files: [
          {
            path: '/run/hostward-install.sh',
            owner: 'root:root',
            permissions: '0700',
            content: script,
          },
        ],
        runcmd: [['sh', '/run/hostward-install.sh']],
      });
    }
  });
});

describe('a package', () => {
  it.each([
    ['hostward-agent_0.1.0_amd64.deb', { arch: 'amd64', format: 'deb' }],
    ['hostward-agent_0.1.0_linux-arm64.tar.xz', { arch: 'arm64', format: 'tar' }],
    ['hostward_0.1.0_amd64.deb', undefined],
    ['hostward-agent_0.1.0_amd64.deb.sig', undefined],
    ['hostward-agent_0.1.0_riscv64.deb', undefined],
  ])('%s is told by its name', (file, expected) => {
    const found = hostPackage(file, 'aa');
    expect(found && { arch: found.arch, format: found.format }).toEqual(expected);
  });
});
