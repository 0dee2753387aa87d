import { describe, expect, it } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { ApplyResponse } from '#contracts';
import { eventually } from '../support/eventually.js';
import { blockFile, blockProgram } from '../support/policies.js';
import type { CliResult } from '../support/product.js';
import {
  product,
  web1,
  folder,
  run,
  out,
  input,
  file,
  reports,
  inTerminal,
  MINUTE,
  PROD,
} from './one-product.js';

describe('apply', () => {
  it('creates, leaves what is the same, and changes what differs', async () => {
    const text = blockProgram('p1', '/usr/bin/nc', PROD);
    expect(await input(text, 'apply')).toEqual({
      code: 0,
      stdout: 'KubeArmorHostPolicy/p1 created (1 host)\n',
      stderr: '',
    });
    expect((await input(text, 'apply')).stdout).toContain('p1 unchanged');
    const changed = text.replace('severity: 5', 'severity: 6');
    const dry = await input(changed, 'apply', '--dry-run');
    expect(dry.stdout).toBe('KubeArmorHostPolicy/p1 configured (1 host) (dry run)\n');
    const configured = JSON.parse(
      (await input(changed, 'apply', '-o', 'json')).stdout,
    ) as ApplyResponse;
    expect(configured).toMatchObject({ dryRun: false, documents: [{ verdict: 'configured' }] });
  });

  it('waits in turn where one caller sends several long texts at once, of which only two are taken in', async () => {
    const text = (set: number): string =>
      Array.from({ length: 700 }, (_, i) =>
        blockProgram(`long-${set}-${i}`, `/usr/bin/nc${i}`, { env: 'nowhere' }),
      ).join('---\n');
    const texts = [1, 2, 3, 4].map(text);
    const applied = await Promise.all(texts.map((each) => input(each, 'apply', '--dry-run')));
    const codes = applied.map(({ code, stderr }) => (code === 0 ? code : stderr));
    expect(codes).toEqual([0, 0, 0, 0]);
    const waited = applied.filter(({ stderr }) => stderr.includes('the control plane is busy ('));
    expect(waited.length).toBeGreaterThan(0);
  });

  it('takes several files and folders all or nothing, and names file, line and column of a mistake', async () => {
    const good = await file('good.yaml', blockProgram('good', '/usr/bin/nc', PROD));
    const bad = await file(
      'bad.yaml',
      blockProgram('bad', 'usr/bin/nc', PROD).replace('Block', 'Blok'),
    );
    const { code, stdout, stderr } = await run('apply', '-f', good, bad);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${bad}:13:9: error: spec.process.matchPaths[0].path`);
    expect(stderr).toContain(`${bad}:14:3: error: spec.action`);
    expect(stderr.match(/: error: /g)).toHaveLength(2);
    expect(stderr).toContain('error: 2 errors; nothing was sent\nremedy: ');
    expect(await run('get', 'policy', 'good')).toMatchObject({ code: 1 });
    const set = join(folder, 'set');
    await mkdir(set);
    await writeFile(join(set, 'one.yml'), blockProgram('one', '/usr/bin/nc', PROD));
    await writeFile(
      join(set, 'two.json'),
      JSON.stringify(parse(blockProgram('two', '/usr/bin/nc', PROD))),
    );
    await writeFile(join(set, 'notes.txt'), 'not a policy');
    expect(await out('apply', '-f', set)).toBe(
      'KubeArmorHostPolicy/one created (1 host)\nKubeArmorHostPolicy/two created (1 host)\n',
    );
    expect(await run('apply', '-f', join(folder, 'nowhere'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot read'),
    });
  });

  it('refuses what would lock an operator out, with the other documents, and explains the override', async () => {
    const both = `${blockProgram('fine', '/usr/bin/nc', PROD)}---\n${blockProgram('no-sshd', '/usr/sbin/sshd', PROD)}`;
    const refused = await input(both, 'apply');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('nothing was written');
    expect(refused.stderr).toContain('would block sshd (/usr/sbin/sshd)');
    expect(refused.stderr).toContain('process.matchPaths.0');
    expect(refused.stderr).toMatch(
      /remedy: narrow the rule[^]*`hostward apply --override-protection`/,
    );
    expect(await run('get', 'policy', 'fine')).toMatchObject({ code: 1 });
    expect((await input(both, 'apply', '--override-protection')).code).toBe(0);
    await out('delete', 'policy', 'fine', 'no-sshd');
  });

  it('refuses a policy without a selector with the remedy, and takes it with --selector or --all-hosts', async () => {
    const none = blockProgram('none', '/usr/bin/nc', {}).replace(
      / {2}nodeSelector:\n {4}matchLabels:\n\n/,
      '',
    );
    const refused = await input(none, 'apply');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/--selector[^]*--all-hosts/);
    expect((await input(none, 'apply', '--selector', 'env=prod')).stdout).toContain(
      'created (1 host)',
    );
    expect((await input(none, 'apply', '--all-hosts')).stdout).toContain('configured (2 hosts)');
    await out('delete', 'policy', 'none');
  });

  it('prunes what the same owner applied before, and nothing of others', async () => {
    const a = blockProgram('team-a', '/usr/bin/nc', PROD);
    const b = blockProgram('team-b', '/usr/bin/nc', PROD);
    await input(`${a}---\n${b}`, 'apply', '--owner', 'web-team');
    const pruned = await input(a, 'apply', '--prune', '--owner', 'web-team');
    expect(pruned.stdout).toContain('team-a unchanged');
    expect(pruned.stdout).toContain('team-b pruned');
    const names = (await out('get', 'policies', '-o', 'name')).trim().split('\n');
    expect(names).toEqual(expect.arrayContaining(['team-a', 'one', 'p1']));
    expect(names).not.toContain('team-b');
    expect(await input(a, 'apply', '--prune')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('add --owner NAME'),
    });
  });

  it(
    'waits until the hosts enforce it, and ends with 1 when they will not or do not in time',
    async () => {
      const text = blockProgram('waited', '/usr/bin/nc', PROD);
      const waiting = input(text, 'apply', '--wait', '--timeout', '60s');
      await reports('waited', 'enforced');
      expect(await waiting).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('policy/waited enforced on 1 host\n'),
      });
      const never = await input(
        blockProgram('observed', '/usr/bin/nc', { role: 'local' }),
        ...['apply', '--wait', '--timeout', '60s'],
      );
      expect(never).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('of 1 host 1 unsupported'),
      });
      const changed = text.replace('nc', 'ncat');
      await input(changed, 'apply');
      // Of the version before: the host is heard of, and silent about the new one.
      await web1.report('enforced');
      await eventually('the new version is on its way', MINUTE, async () =>
        (await run('status', 'policy', 'waited')).stdout.includes('delivered'),
      );
      const silent = await input(changed, 'apply', '--wait', '--timeout', '1s');
      expect(silent).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('of 1 host 1 delivered'),
      });
      const again = await file('waited.yaml', changed);
      const shown = await inTerminal(`apply -f ${again} --wait --timeout 3s`);
      expect(shown).toContain('\rwaited [----------] 0 of 1 enforced; waits for: web1\u001b[K');
      const nobody = await input(
        blockProgram('nobody', '/usr/bin/nc', { no: 'body' }),
        'apply',
        '--wait',
      );
      expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining('selects no host') });
      await out('delete', 'policy', 'observed', 'nobody');
    },
    2 * MINUTE,
  );
});

describe('delete', () => {
  it('of files deletes nothing and ends with 1 where one of them holds nothing', async () => {
    const kept = await file('kept.yaml', blockProgram('kept', '/usr/bin/nc', PROD));
    await out('apply', '-f', kept);
    for (const text of ['', '# a comment\n']) {
      const { code, stdout, stderr } = await run('delete', '-f', kept, await file('no.yaml', text));
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('no.yaml holds no document that can be read; nothing was deleted');
    }
    expect(await out('delete', '-f', kept)).toBe('policy/kept deleted\n');
  });

  it('goes on where one is gone already, and ends with 1 by its name', async () => {
    const policies = ['left-1', 'left-2', 'left-3'];
    const text = policies.map((name) => blockProgram(name, '/usr/bin/nc', PROD)).join('---\n');
    const left = await file('left.yaml', text);
    await out('apply', '-f', left);
    await out('delete', 'policy', 'left-1');
    expect(await run('delete', '-f', left)).toEqual({
      code: 1,
      stdout: 'policy/left-2 deleted\npolicy/left-3 deleted\n',
      stderr: expect.stringMatching(/^error: .*"left-1"/),
    });
    await out('apply', '-f', left);
    await out('delete', 'policy', 'left-2');
    expect(await run('vm', 'policy', 'delete', left)).toMatchObject({
      code: 1,
      stdout: 'policy/left-1 deleted\npolicy/left-3 deleted\n',
    });
  });
});

describe('diff and validate', () => {
  it('diff ends with 0 when nothing differs, and with 1 and the lines when something does', async () => {
    const text = blockProgram('p1', '/usr/bin/nc', PROD).replace('severity: 5', 'severity: 6');
    expect(await input(text, 'diff')).toEqual({ code: 0, stdout: '', stderr: '' });
    const changed = `${text.replace('/usr/bin/nc', '/usr/bin/ncat')}---\n${blockProgram('fresh', '/usr/bin/nc', PROD)}`;
    const { code, stdout, stderr } = await input(changed, 'diff');
    expect(code).toBe(1);
    expect(stdout).toContain('KubeArmorHostPolicy/p1\n');
    expect(stdout).toContain('\n-      - path: /usr/bin/nc\n+      - path: /usr/bin/ncat\n');
    expect(stdout).toContain('KubeArmorHostPolicy/fresh (new)\n+apiVersion');
    expect(stderr).toBe('2 of 2 documents differ\n');
  });

  it('validate needs no control plane, and is as strict as it is told to be', async () => {
    const loose = await file(
      'loose.yaml',
      blockFile('loose', '/etc/x', PROD).replace('path: /etc/x', 'path: /etc/x/'),
    );
    const env = { HOSTWARD_URL: '', XDG_CONFIG_HOME: join(folder, 'no-config') };
    const validate = (...args: string[]): Promise<CliResult> =>
      product.cli(['validate', '-f', loose, ...args], { env });
    const text = blockProgram('comma', '/usr/bin/nc', PROD);
    const network = `${text}  network:\n    matchProtocols:\n      - protocol: tcp,udp\n`;
    const comma = await file('comma.yaml', network);
    const lenient = await product.cli(['validate', '-f', comma], { env });
    expect(lenient).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^1 accepted, 0 refused, \d warnings? \(lenient\)\n$/),
    });
    expect(lenient.stderr).toMatch(/comma\.yaml:\d+:\d+: warning: /);
    const strict = await product.cli(['validate', '-f', comma, '--mode', 'crd'], { env });
    expect(strict).toMatchObject({ code: 1, stdout: expect.stringContaining('1 refused') });
    const { code, stderr } = await validate();
    expect(code).toBe(1);
    expect(stderr).toMatch(/loose\.yaml:\d+:\d+: error: spec\.file\.matchPaths\[0\]\.path/);
    const asJson = JSON.parse((await validate('-o', 'json')).stdout) as {
      diagnostics: unknown[];
    }[];
    expect(asJson[0]).toMatchObject({ document: { name: 'loose' } });
    expect(await validate('--mode', 'loose')).toMatchObject({ code: 2 });
  });
});
