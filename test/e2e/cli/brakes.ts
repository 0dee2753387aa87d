import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { PolicyVersion } from '#contracts';
import { eventually } from '../support/eventually.js';
import { blockProgram } from '../support/policies.js';
import { web1, run, out, json, input, MINUTE, PROD, LONG } from './one-product.js';

describe('the life of a policy', () => {
  it('has a history, goes back, pauses and resumes', async () => {
    const text = blockProgram('lived', '/usr/bin/nc', PROD);
    await input(text, 'apply');
    await input(text.replace('severity: 5', 'severity: 6'), 'apply');
    expect(await out('rollback', 'policy', 'lived')).toMatch(
      /^policy\/lived rolled back \(revision \d+\)\n$/,
    );
    expect(await out('pause', 'policy', 'lived')).toMatch(
      /^policy\/lived paused \(revision \d+\)\n$/,
    );
    expect(await out('get', 'policy', 'lived')).toContain('paused');
    const paused = await run('status', 'policy', 'lived');
    expect(paused).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('the policy is paused'),
    });
    expect(await out('resume', 'policy', 'lived')).toMatch(
      /^policy\/lived resumed \(revision \d+\)\n$/,
    );
    const versions = await json<PolicyVersion[]>('history', 'policy', 'lived');
    expect(versions.map(({ change }) => change)).toEqual([
      'resumed',
      'paused',
      'rolled-back',
      'configured',
      'created',
    ]);
    const table = await out('history', 'policy', 'lived');
    expect(table.endsWith('\n')).toBe(true);
    expect(table.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect((await out('rollback', 'policy', 'lived', '--to', '2')).length).toBeGreaterThan(0);
    expect(await run('rollback', 'policy', 'lived', '--to', 'x')).toMatchObject({ code: 2 });
    expect(await run('rollback', 'policy', 'lived', '--to', '99')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: .*\n {2}version \(99\): .*\nremedy: /),
    });
    await out('delete', 'policy', 'lived');
    expect((await run('history', 'policy', 'lived')).stdout).toContain('deleted');
    expect(await run('pause', 'node', 'web1')).toMatchObject({ code: 2 });
  });
});

describe('brakes', () => {
  it('an exception is added, listed and ended; its end must be to come', async () => {
    const args = ['exception', 'add', 'p1', '--selector', 'tier=web', '--reason', 'patch day'];
    const made = await out(...args, '--until', '2h');
    const id = /^exception\/(\w+) until \S+Z\n$/.exec(made)?.[1] ?? '';
    expect(await out('exception', 'list')).toMatch(new RegExp(`^${id} +p1 +tier=web `, 'm'));
    expect(await out('get', 'exceptions', '-o', 'name')).toContain(id);
    expect(await out('exception', 'end', id)).toBe(`exception/${id} ended\n`);
    expect(await run('exception', 'end', id)).toMatchObject({ code: 1 });
    // The control plane says what has passed: the clock here may be wrong.
    expect(await run(...args, '--until', '2001-01-01T00:00:00Z')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is in the past'),
    });
    expect(await run(...args, '--until', 'tomorrow')).toMatchObject({ code: 2 });
    expect(await run('exception', 'add', 'p1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--selector'),
    });
  });

  it(
    'break-glass needs one target, a time and a reason, and is ended by its id',
    async () => {
      const whole = [
        'breakglass',
        '--node',
        'web1',
        '--mode',
        'audit',
        '--for',
        '30m',
        '--reason',
        'outage',
      ];
      for (const flag of ['--node', '--mode', '--for', '--reason']) {
        const at = whole.indexOf(flag);
        const less = whole.filter((_word, i) => i !== at && i !== at + 1);
        expect([flag, (await run(...less)).code]).toEqual([flag, 2]);
      }
      expect(await run(...whole, '--all')).toMatchObject({ code: 2 });
      expect(await run(...whole.map((word) => word.replace('web1', 'nowhere')))).toMatchObject({
        code: 1,
      });
      const made = await out(...whole);
      const id = /^suspension\/(\w+): audit until /.exec(made)?.[1] ?? '';
      expect(made).toContain(`\`hostward breakglass --end ${id}\``);
      await eventually('the status says so', MINUTE, async () =>
        (await run('status', 'policy', 's1')).stdout.includes('suspended'),
      );
      // A host that was not heard of for a while is called not connected first.
      await web1.report('enforced');
      const node = await eventually('the host is suspended', MINUTE, async () => {
        const result = await run('status', 'node', 'web1');
        return result.stderr.includes('web1 is suspended') && result;
      });
      expect(node.stdout).toMatch(/suspended \(audit\) until \S+ by control-plane: outage/);
      expect(node).toMatchObject({ code: 1, stderr: expect.stringContaining('web1 is suspended') });
      expect(await out('breakglass', '--end', id)).toBe(`suspension/${id} ended\n`);
      expect(
        await out('breakglass', '--all', '--mode', 'off', '--for', '1m', '--reason', 'x'),
      ).toContain(': off until');
      const all = (await out('get', 'suspensions'))
        .split('\n')
        .find((line) => line.includes('all hosts'));
      await out('delete', 'suspension', all?.split(' ')[0] ?? '');
    },
    2 * MINUTE,
  );
});

describe('explain', () => {
  it('shows each label test with what the host has', async () => {
    const yes = await out('explain', 'node', 'web1', 'policy', 's1');
    expect(yes).toMatch(/^yes {2}tier = web {2}\(the host has web\)\npolicy s1 selects web1\n$/);
    const no = await out('explain', 'node', LONG, 'policy', 's1');
    expect(no).toContain('NO   tier = web  (the host has nothing)\n');
    expect(no).toContain(`policy s1 does not select ${LONG}\n`);
    expect(await run('explain', 'node', 'web1', 'group', 's1')).toMatchObject({ code: 2 });
  });

  it('names the rule behind an alert', async () => {
    const event = (await out('get', 'alerts', '-o', 'name')).split('\n')[0] ?? '';
    expect(parse(await out('explain', 'denial', event))).toMatchObject({ policy: LONG });
    expect(await run('explain', 'denial', '1-999')).toMatchObject({ code: 1 });
  });
});
