import { describe, expect, it } from '@jest/globals';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeView, PolicyStatus, PolicyView } from '#contracts';
import { eventually } from '../support/eventually.js';
import { blockProgram } from '../support/policies.js';
import { web1, folder, run, out, json, input, reports, MINUTE, LONG } from './one-product.js';

describe('status', () => {
  it(
    'of a policy ends with 0 only when it is enforced, and tells reasons below the table',
    async () => {
      await input(blockProgram('s1', '/usr/bin/nc', { tier: 'web' }), 'apply');
      await reports('s1', 'enforced');
      const good = await run('status', 'policy', 's1', '--wait', '--timeout', '60s');
      expect(good).toMatchObject({ code: 0, stderr: '' });
      expect(good.stdout).toMatch(
        /^policy s1 at revision \d+, 1 host selected\nNODE {2}STATE .*\nweb1 {2}enforced /,
      );
      await input(blockProgram('s2', '/usr/bin/nc', { role: 'local' }), 'apply');
      const bad = await eventually('this machine has answered', MINUTE, async () => {
        const result = await run('status', 'policy', 's2');
        return result.stdout.includes('unsupported') && result;
      });
      expect(bad.code).toBe(1);
      expect(bad.stdout).toContain('\n\nunsupported: this host observes only\n  ');
      expect(bad.stdout).toContain(': process/matchPaths/0\n');
      expect(bad.stderr).toMatch(
        /^error: policy s2 is not enforced everywhere: of 1 host 1 unsupported\nremedy: /,
      );
      expect(bad.stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
      const asJson = await run('status', 'policy', 's2', '-o', 'json');
      expect(asJson.code).toBe(1);
      expect((JSON.parse(asJson.stdout) as PolicyStatus).enforcedEverywhere).toBe(false);
      expect((await run('status', 'policy', 'nope')).code).toBe(1);
      expect((await run('status', 'hamster', 'x')).code).toBe(2);
      expect((await run('status', 'policy', 's1', '--timeout', 'soon', '--wait')).code).toBe(2);
    },
    2 * MINUTE,
  );

  it(
    'of a node ends with 0 only when it is connected and all that is meant for it is in force',
    async () => {
      await eventually('web1 has all', MINUTE, () => web1.fetch());
      await web1.report('enforced');
      const good = await run('status', 'node', 'web1', '--wait', '--timeout', '60s');
      expect(good).toMatchObject({ code: 0, stderr: '' });
      expect(good.stdout).toMatch(/^node web1: connected, enforcer observe, seen \d+s ago\n/);
      await web1.report('failed');
      const bad = await eventually('it has failed', MINUTE, async () => {
        const result = await run('status', 'node', 'web1');
        return result.code === 1 && result;
      });
      expect(bad.stderr).toMatch(/node web1 does not enforce \d+ of its \d+ policies/);
      const declared = await run('status', 'node', LONG);
      expect(declared.code).toBe(1);
      expect(declared.stdout).toContain(
        `node ${LONG}: not connected, enforcer not known, never seen\n`,
      );
      expect(declared.stdout).not.toContain('ago');
    },
    2 * MINUTE,
  );
});

describe('export', () => {
  const linesOf = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown> & { readonly kind: string });

  it('says what is wanted and what is, of everything, and that it is whole', async () => {
    const lines = linesOf(await out('export'));
    const counts = new Map<string, number>();
    for (const { kind } of lines) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const policies = (await json<PolicyView[]>('get', 'policies')).length;
    const nodes = (await json<NodeView[]>('get', 'nodes')).length;
    expect(lines[0]).toMatchObject({ kind: 'Export', v: 1 });
    expect(lines.at(-1)).toMatchObject({ kind: 'End', policies, nodes, statuses: nodes });
    expect([counts.get('Policy'), counts.get('Node')]).toEqual([policies, nodes]);
    expect(lines.find(({ kind, node }) => kind === 'NodeStatus' && node === 'web1')).toMatchObject({
      connected: expect.any(Boolean),
      policies: expect.any(Array),
    });
  });

  it('writes a file whole or not at all, for its owner alone', async () => {
    const path = join(folder, 'fleet.jsonl');
    const nodes = (await json<NodeView[]>('get', 'nodes')).length;
    expect(await out('export', '-o', path)).toBe(`${path}: ${nodes} hosts\n`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(linesOf(await readFile(path, 'utf8')).at(-1)?.kind).toBe('End');
    const nowhere = join(folder, 'no-such', 'fleet.jsonl');
    const { code, stderr } = await run('export', '-o', nowhere);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`"${nowhere}" cannot be written`)]);
  });
});

describe('an upgrade that a host took back', () => {
  it('is told by the list of upgrades, by the host and by doctor, until it is over', async () => {
    const rolledBack = {
      from: '0.2.0',
      to: '0.1.0',
      at: '2026-11-26T18:00:00.000Z',
      reason: 'hostward-agent.service does not run',
    };
    const told =
      'upgrade to 0.2.0 rolled back to 0.1.0 at 2026-11-26T18:00:00.000Z: hostward-agent.service does not run\n';
    await web1.report('enforced', { rolledBack });
    await eventually('it is told', MINUTE, async () =>
      (await run('status', 'node', 'web1')).stdout.includes(told),
    );
    expect(await out('node', 'upgrade')).toContain(`web1: ${told}`);
    expect(await out('node', 'upgrade', 'web1')).toContain(`web1: ${told}`);
    expect((await run('doctor')).stdout).toMatch(/WARNING hosts-rolled-back: 1 of 2 hosts .*web1/);
    await web1.report();
    await eventually(
      'it is over',
      MINUTE,
      async () => !(await out('node', 'upgrade')).includes(told),
    );
  });
});
