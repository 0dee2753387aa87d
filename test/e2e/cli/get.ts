import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Alert, NodeView, PolicyView } from '#contracts';
import { LinkProxy } from '#testing';
import { alertBatch } from '../../../apps/control-plane/src/testing/alerts.js';
import { eventually } from '../support/eventually.js';
import { blockProgram } from '../support/policies.js';
import { RunningCommand } from '../support/running-command.js';
import { product, web1, run, out, json, input, MINUTE, PROD, LONG } from './one-product.js';

describe('get and describe', () => {
  const kinds = [
    'nodes',
    'groups',
    'policies',
    'alerts',
    'join-tokens',
    'suspensions',
    'exceptions',
  ];

  beforeAll(async () => {
    const group = `apiVersion: hostward.io/v1
kind: Group
metadata:
  name: ${LONG}
spec:
  selector:
    matchLabels: {env: prod, another-label-that-is-quite-long: with-a-value-that-is-long}
`;
    const vm = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorVirtualMachine
metadata:
  name: ${LONG}
  labels: {a-label-with-a-long-name: and-a-long-value, and-another-one: with-its-own-value}
`;
    const policy = blockProgram(LONG, '/usr/bin/nc', PROD);
    expect((await input([group, vm, policy].join('---\n'), 'apply')).code).toBe(0);
    await out(
      'create',
      'join-token',
      '--labels',
      'a-label-with-a-long-name=and-a-long-value,other=value',
    );
    const reason =
      'a reason that is told at length, since the person who gave it wanted to be understood';
    await out('breakglass', '--node', LONG, '--mode', 'audit', '--for', '1h', '--reason', reason);
    await out(
      'exception',
      'add',
      LONG,
      '--selector',
      'no=body',
      '--until',
      '1h',
      '--reason',
      reason,
    );
    const batch = alertBatch(LONG, 1, 2);
    const alerts = batch.alerts.map((alert) => ({
      ...alert,
      Resource: `/srv/${'folder/'.repeat(20)}file`,
      Source: '/usr/local/libexec/some/program/with/a/long/path --and arguments',
    }));
    await eventually('web1 is delivered to', MINUTE, () => web1.fetch());
    await web1.send({ ...batch, alerts });
    await eventually(
      'alerts are stored',
      MINUTE,
      async () => (await json<Alert[]>('get', 'alerts')).length === 2,
    );
  }, 2 * MINUTE);

  it.each(kinds)(
    '%s as table, JSON, YAML and names agree, and the table fits 80 columns',
    async (kind) => {
      const rows = await json<Record<string, string>[]>('get', kind);
      expect(rows.length).toBeGreaterThan(0);
      const names = (await out('get', kind, '-o', 'name')).trim().split('\n');
      const key =
        { alerts: 'EventID', nodes: 'name', groups: 'name', policies: 'name' }[kind] ?? 'id';
      expect(names).toEqual(rows.map((row) => row[key]));
      // Ages and times of reports change meanwhile.
      const yaml = parse(await out('get', kind, '-o', 'yaml')) as Record<string, string>[];
      expect(yaml.map((row) => row[key])).toEqual(names);
      const lines = (await out('get', kind)).trimEnd().split('\n');
      expect(lines).toHaveLength(rows.length + 1);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
      expect(lines[0]).toBe(lines[0]?.toUpperCase());
    },
  );

  it.each([...kinds, 'hsp', 'jt', 'vm', 'Policy'])(
    'knows the word %s and its short forms',
    async (kind) => {
      expect(await run('get', kind)).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('shows one object by name, as one object', async () => {
    expect(await json<PolicyView>('get', 'policy', LONG)).toMatchObject({
      name: LONG,
      tier: 'normal',
    });
    expect(parse(await out('get', 'node', 'web1', '-o', 'yaml'))).toMatchObject({ name: 'web1' });
    expect(await out('get', 'node', 'web1', '-o', 'name')).toBe('web1\n');
    expect((await out('get', 'node', 'web1')).split('\n')).toHaveLength(3);
    const alert = (await out('get', 'alerts', '-o', 'name')).split('\n')[0] ?? '';
    expect(await json<Alert>('get', 'alert', alert)).toMatchObject({ EventID: alert });
  });

  it('chooses by labels, and says which kinds have none', async () => {
    expect(await out('get', 'nodes', '-l', 'tier in (web,db)', '-o', 'name')).toBe('web1\n');
    expect(await out('get', 'nodes', '-l', 'env=nothing')).toBe('Nothing found.\n');
    expect(await run('get', 'nodes', '-l', 'a b')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('remedy: '),
    });
    expect(await run('get', 'alerts', '-l', 'env=prod')).toMatchObject({ code: 2 });
  });

  it('finds by a part of the name, and says which kinds are not found so', async () => {
    expect(await out('get', 'nodes', 'w?b*', '-o', 'name')).toBe('web1\n');
    expect(await json<NodeView[]>('get', 'node', '*eb1', '-l', 'tier=web')).toMatchObject([
      { name: 'web1' },
    ]);
    expect(await out('get', 'nodes', 'web1*', '-l', 'tier=db')).toBe('Nothing found.\n');
    const [start, end] = [LONG.slice(0, 20), LONG.slice(-20)];
    for (const kind of ['policies', 'groups'])
      expect(await out('get', kind, `${start}*${end}`, '-o', 'name')).toBe(`${LONG}\n`);
    expect(await run('get', 'nodes', 'Web*')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/name \(Web\*\): is not a name or a pattern[^]*remedy: use /),
    });
    expect(await run('get', 'alerts', 'a*')).toMatchObject({ code: 2 });
  });

  it(
    'watches: each object once, then what changes, over a lost connection',
    async () => {
      // A report decays within a minute: without a new one the host may be shown once more, as not connected.
      await web1.report('enforced');
      await eventually('web1 is connected', MINUTE, async () => {
        const nodes = await json<NodeView[]>('get', 'nodes');
        return nodes.find(({ name }) => name === 'web1')?.connected;
      });
      const link = await LinkProxy.start(product.port);
      const watching = RunningCommand.cli(['get', 'nodes', '--watch'], {
        env: {
          XDG_CONFIG_HOME: product.configHome,
          HOSTWARD_URL: `https://127.0.0.1:${link.port}`,
        },
      });
      const sees = (text: RegExp): Promise<unknown> =>
        eventually(`it shows ${text}`, MINUTE, () =>
          Promise.resolve(text.test(watching.stdout + watching.stderr)),
        );
      try {
        await sees(/web1 /);
        const before = watching.lines.length;
        await out('label', 'node', 'web1', 'w=1');
        await sees(/w=1/);
        expect(watching.lines.length).toBe(before + 1);
        link.cut();
        await sees(/the stream was cut/);
        link.restore();
        await input(
          'apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: {name: passing}\n',
          'apply',
        );
        await sees(/passing +declared/);
        await out('delete', 'node', 'passing');
        await sees(/node\/passing is gone/);
      } finally {
        await watching.stop();
        await link.stop();
      }
    },
    2 * MINUTE,
  );

  it('watches those alone that a pattern is for', async () => {
    const env = { XDG_CONFIG_HOME: product.configHome };
    const watching = RunningCommand.cli(['get', 'nodes', 'w?b*', '--watch', '-o', 'name'], { env });
    const shown = (times: number): Promise<unknown> =>
      eventually(`web1 is shown, ${times}`, MINUTE, () =>
        Promise.resolve(watching.lines.length >= times),
      );
    try {
      await shown(1);
      await out('label', 'node', LONG, 'w=2');
      await out('label', 'node', 'web1', 'w=2');
      await shown(2);
      expect(new Set(watching.lines)).toEqual(new Set(['web1']));
    } finally {
      await watching.stop();
    }
  });

  it('describes objects in full, hosts and policies with their status', async () => {
    const node = parse(await out('describe', 'node', 'web1')) as { name: string; status: object };
    expect(node).toMatchObject({ name: 'web1', labels: PROD, status: { node: 'web1' } });
    const policy = JSON.parse(await out('describe', 'policy', LONG, '-o', 'json')) as object;
    expect(policy).toMatchObject({
      document: { kind: 'KubeArmorHostPolicy' },
      status: { policy: LONG },
    });
    for (const kind of ['group', 'join-token', 'suspension', 'exception', 'alert']) {
      const name = (await out('get', kind, '-o', 'name')).split('\n')[0] ?? '';
      expect(
        Object.keys(parse(await out('describe', kind, name)) as object).length,
      ).toBeGreaterThan(3);
    }
  });
});
