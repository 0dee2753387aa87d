import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { SmallDisks } from '#testing';
import { CommandLine } from '../../../apps/cli/src/program.js';
import { DEVELOPMENT } from '../../../tools/src/program.js';
import { CLI, RunningCommand, TOOLS } from '../support/running-command.js';
import { cleanEnvironment } from '../support/product.js';
import { completions, shellPath } from '../support/shells.js';
import { product, folder, inTerminal, input, run, out, MINUTE } from './one-product.js';

describe('completion', () => {
  for (const shell of ['bash', 'zsh'] as const) {
    const path = shellPath(shell);
    const title = path === undefined ? ` (skipped: ${shell} is not installed)` : '';
    (path === undefined ? it.skip : it)(
      `works in ${shell}: commands, options, kinds and names${title}`,
      async () => {
        const typed: [string[], unknown][] = [
          [['ge'], ['get']],
          [[''], expect.arrayContaining(['apply', 'status', 'vm', 'context'])],
          [['__'], []],
          [['get', 'pol'], ['policies']],
          [['get', 'node', 'web'], ['web1']],
          [
            ['status', 'policy', '--wait', 's'],
            ['s1', 's2'],
          ],
          [
            ['apply', '--over'],
            ['--override-protection', '--override-unreadable'],
          ],
          [['exception', 'a'], ['add']],
          [['exception', 'add', 'p'], ['p1']],
          [
            ['explain', 'node', 'web1', 'policy', 's'],
            ['s1', 's2'],
          ],
          [
            ['get', '-o', 'json', 'policy', 's'],
            ['s1', 's2'],
          ],
          [['vm', 'label', 'li'], ['list']],
        ];
        const env = { XDG_CONFIG_HOME: product.configHome };
        const lines = typed.map(([words]) => words);
        const offered = await completions(path ?? '', lines, env);
        expect(lines.map((words, i) => [words, offered[i]])).toEqual(typed);
      },
      2 * MINUTE,
    );
  }

  it('offers names however many come before them', async () => {
    const names = [...Array.from({ length: 201 }, (_, at) => `many-${at}`), 'zz-last'];
    const vms = names.map(
      (name) =>
        `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: {name: ${name}}\n`,
    );
    expect((await input(vms.join('---\n'), 'apply')).code).toBe(0);
    expect(await out('__complete', '--', 'get', 'nodes', 'zz')).toBe('zz-last\n');
  });

  it('offers names to nobody where there is no control plane, and knows no third shell', async () => {
    const env = { XDG_CONFIG_HOME: join(folder, 'no-config') };
    const words = ['__complete', '--', 'get', 'nodes', ''];
    expect(await product.cli(words, { env })).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await run('completion', 'fish')).toMatchObject({ code: 2 });
  });
});

describe('help and errors', () => {
  it('every command has help that fits 80 columns, with an example of it', async () => {
    const commands = (await new CommandLine(DEVELOPMENT).program()).commands.filter(
      (command) => !command.name().startsWith('__'),
    );
    expect(commands.length).toBeGreaterThan(20);
    for (const command of commands.flatMap((each) => [each, ...each.commands])) {
      let text = '';
      command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 });
      command.outputHelp();
      const wide = text.split('\n').filter((line) => line.length > 80);
      expect([command.name(), wide]).toEqual([command.name(), []]);
      // A verb of a noun may leave its example to the noun.
      const example = /^Examples?:$/m.test(text) || command.parent?.parent !== null;
      expect([command.name(), example]).toEqual([command.name(), true]);
    }
  });

  it('prints version and help with 0', async () => {
    expect(await out('version')).toMatch(/^hostward \d+\.\d+\.\d+ \(Node [\d.]+\)\n$/);
    expect(await out('--version')).toMatch(/^hostward \d+\.\d+\.\d+\n$/);
    expect(await out('help')).toContain(
      'Exit codes: 0 done, 1 failed or not in force, 2 wrong usage.',
    );
    expect(await out('help', 'apply')).toContain('--override-protection');
  });

  it.each([
    ['nosuch'],
    ['get'],
    ['get', 'pods'],
    ['get', 'nodes', '--nope'],
    ['get', 'nodes', '-o', 'xml'],
    ['get', 'nodes', 'a', 'b'],
    ['apply'],
    ['apply', '-f'],
    ['status', 'policy'],
    ['describe', 'node'],
    ['describe', 'node', 'web1', '-o', 'table'],
    ['create', 'nothing'],
    ['completion'],
    ['context', 'use'],
    ['logs', 'extra'],
    [],
  ])(
    'a wrong usage ends with 2, nothing on standard output and words on standard error: %j',
    async (...args) => {
      const { code, stdout, stderr } = await run(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).not.toBe('');
      expect(stderr).not.toMatch(/\n +at /);
    },
  );

  it('says of a lab that is not up what to do, in one line and with 1', async () => {
    const lab = RunningCommand.tool(['lab', 'ssh', 'nowhere', '--', 'true']);
    const { code, stdout, stderr } = await lab.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: (no lab is up: .* starts one|the lab has no nowhere, .*)\n$/);
  });

  it('ends quietly when its reader has gone', async () => {
    const script = `"${execPath}" ${CLI.join(' ')} get nodes -o json | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], {
      env: { ...cleanEnvironment(), XDG_CONFIG_HOME: product.configHome },
    });
    expect({ stdout, stderr }).toEqual({ stdout: '[\n0\n', stderr: '' });
  });

  it.each(['get nodes -o json', 'export'])(
    'fails, and says so, where the disk takes nothing of `%s`',
    async (words) => {
      const script = `"${execPath}" ${CLI.join(' ')} ${words} >/dev/full; echo $?`;
      const { stdout, stderr } = await inShell(script);
      expect([stdout, stderr]).toEqual([
        '1\n',
        expect.stringMatching(/^error: cannot write to standard output: ENOSPC.*\nremedy: /),
      ]);
    },
  );

  (SmallDisks.canBeMade ? it : it.skip)(
    `fails, and says so, where the disk takes a part of what it prints${SmallDisks.skipped}`,
    async () => {
      const small = join(folder, 'small');
      const disks = await SmallDisks.start([{ folder: small, mib: 1 }]);
      try {
        // In the one page that it has there is room for six bytes more.
        const file = join(disks.at(small), 'out');
        await writeFile(file, 'x'.repeat(4_090));
        await disks.fill(small);
        const script = `"${execPath}" ${CLI.join(' ')} get nodes -o json >>"${file}"; echo $?`;
        const { stdout, stderr } = await inShell(script);
        expect([stdout, stderr]).toEqual([
          '1\n',
          expect.stringMatching(/^error: cannot write to standard output: ENOSPC.*\nremedy: /),
        ]);
        expect((await readFile(file, 'utf8')).length).toBe(4_096);
      } finally {
        await disks.stop();
      }
    },
  );

  const asNobody = process.getuid?.() === 0 ? it : it.skip;
  asNobody(
    'says of a file that may be written, and not be replaced, what its folder does not take (needs root)',
    async () => {
      const closed = await mkdtemp(join(tmpdir(), 'hostward-closed-'));
      const file = join(closed, 'file');
      await writeFile(file, '');
      await chmod(closed, 0o755);
      await chmod(file, 0o666);
      const { code, stderr } = await RunningCommand.tool(['sbom', '--output', file], {
        uid: 65_534,
        env: { HOME: '/nonexistent' },
      }).ended;
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(
          /cannot be written: it is replaced as a whole, and its folder takes no new file: EACCES.*\nremedy: name a file in a folder that you may write to\n$/,
        ),
      ]);
      await rm(closed, { recursive: true });
    },
  );

  it('adds to what a shell has opened for it, where a file to write is standard output', async () => {
    const file = join(folder, 'all.log');
    await writeFile(file, 'before\n');
    const command = `"${execPath}" ${CLI.join(' ')} export -o`;
    const { stderr } = await inShell(`${command} /dev/stdout >> "${file}"`);
    expect(stderr).toMatch(/^\/dev\/stdout: \d+ hosts?$/m);
    const [before, ...lines] = (await readFile(file, 'utf8')).trim().split('\n');
    expect(before).toBe('before');
    expect(lines.map((line) => (JSON.parse(line) as { kind: string }).kind).at(-1)).toBe('End');
  });

  it.each(['/dev/stderr 2>&1 >/dev/null', '/dev/fd/3 3>&1 >/dev/null'])(
    "waits for a slow reader of %s, and refuses what is the command's own",
    async (to) => {
      const command = `"${execPath}" ${TOOLS.join(' ')} sbom --output`;
      const { stdout } = await inShell(`${command} ${to} | (sleep 1; wc -c)`);
      expect(Number(stdout)).toBeGreaterThan(100_000);
      const refused = await inShell(`${command} /dev/fd/8 2>&1 || true`);
      expect(refused.stdout).toContain('descriptor 8 is no pipe that this command was given');
    },
  );
});

/** A script of `sh`, with the contexts of the product. */
function inShell(script: string): Promise<{ stdout: string; stderr: string }> {
  const env = { ...cleanEnvironment(), XDG_CONFIG_HOME: product.configHome };
  return promisify(execFile)('sh', ['-c', script], { env });
}

describe('a simulation', () => {
  it(
    'shows on a terminal how it stands, in one line that is written anew',
    async () => {
      const shown = await inTerminal('sim --nodes 2 --duration 2s');
      expect(shown).toMatch(
        /\r\d+ s: 2 enrolled, 2 connected, \d took a rule set, 0 changes.*\u001b\[K/,
      );
    },
    2 * MINUTE,
  );
});

describe('colour', () => {
  it('is there on a terminal, and not with NO_COLOR or on a dumb one', async () => {
    const coloured = await inTerminal('get nodes');
    expect(coloured).toContain('\u001b[32myes');
    expect(coloured).toContain('web1');
    expect(await inTerminal('get pods')).toContain('\u001b[31merror:');
    const dull: Record<string, string>[] = [{ NO_COLOR: '1' }, { TERM: 'dumb' }];
    for (const env of dull) expect(await inTerminal('get nodes', env)).not.toContain('\u001b');
  });

  it('is not there off a terminal', async () => {
    for (const args of [
      ['get', 'nodes'],
      ['status', 'policy', 's1'],
      ['get', 'pods'],
    ]) {
      const { stdout, stderr } = await run(...args);
      expect(stdout + stderr).not.toContain('\u001b');
    }
  });
});
