import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import type {
  Alert,
  ApplyResponse,
  JoinTokenView,
  NodeView,
  PolicyStatus,
  PolicyVersion,
  PolicyView,
} from '#contracts';
import { LinkProxy } from '#testing';
import { alertBatch, type TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { group } from '../../apps/control-plane/src/testing/rig.js';
import { createProgram } from '../../apps/cli/src/program.js';
import { eventually } from './support/eventually.js';
import { blockFile, blockProgram } from './support/policies.js';
import { Product, cleanEnvironment, type CliResult } from './support/product.js';
import { CLI, RunningCommand } from './support/running-command.js';
import { completions, shellPath } from './support/shells.js';
import { StandIns } from './support/stand-in-host.js';

const MINUTE = 60_000;
const PROD = { env: 'prod' };
const LONG = 'a-very-long-name-that-somebody-has-chosen-with-care.for-a-host-in-a-rack.eu-west';

jest.setTimeout(2 * MINUTE);

let product: Product;
let standIns: StandIns;
let web1: TestHost;
let folder: string;

/** One product for all: this machine with its observing agent, and a host that says what a test tells it to. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-cli-'));
  product = await Product.up({ localAgent: true });
  standIns = await StandIns.of(product);
  web1 = await standIns.host('web1', 'env=prod,tier=web');
  await product.must(['label', 'node', await localNode(), 'role=local']);
}, 3 * MINUTE);
afterAll(async () => {
  standIns?.close();
  await product?.down();
  await rm(folder, { recursive: true, force: true });
}, MINUTE);

const run = (...args: string[]): Promise<CliResult> => product.cli(args);
const out = async (...args: string[]): Promise<string> => (await product.must(args)).stdout;
const json = async <T>(...args: string[]): Promise<T> =>
  JSON.parse(await out(...args, '-o', 'json')) as T;
const input = (text: string, ...args: string[]): Promise<CliResult> =>
  product.cli([...args, '-f', '-'], { input: text });

async function localNode(): Promise<string> {
  const nodes = await json<NodeView[]>('get', 'nodes');
  return nodes.find(({ name }) => name !== 'web1')?.name ?? '';
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** web1 takes what is meant for it and reports it as in this state. */
async function reports(policy: string, state: 'enforced' | 'failed'): Promise<void> {
  await eventually(`web1 has ${policy}`, MINUTE, async () => {
    const delivery = await web1.fetch();
    return delivery?.policies.some(({ name }) => name === policy);
  });
  await web1.report(state);
}

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
        await sees(/trying again/);
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
    expect(await run(...args, '--until', '2001-01-01T00:00:00Z')).toMatchObject({ code: 2 });
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

describe('logs', () => {
  it('shows alerts oldest first, by node, policy and time, and no control character of theirs', async () => {
    const batch = alertBatch('hostile', 11, 11);
    const alerts = batch.alerts.map((alert) => ({ ...alert, Resource: '/a\nb\u001b[31mred' }));
    await web1.send({ ...batch, alerts });
    const text = await eventually('it is there', MINUTE, async () => {
      const found = await out('logs', '--policy', 'hostile');
      return found !== '' && found;
    });
    expect(text).toMatch(
      /^\S+Z web1 BLOCK Process \/a\?b\?\[31mred by \S+ \[hostile\] Permission denied\n$/,
    );
    const lines = (await out('logs', '--json', '--node', 'web1')).trimEnd().split('\n');
    const events = lines.map((line) => (JSON.parse(line) as Alert).EventID);
    expect(events).toEqual(events.toSorted());
    expect(await out('logs', '--node', 'web2')).toBe('');
    expect((await out('logs', '--json', '--limit', '1')).trimEnd().split('\n')).toHaveLength(1);
    expect(await out('logs', '--since', '2999-01-01T00:00:00Z')).toBe('');
    expect((await out('logs', '--json', '--since', '1h')).trimEnd().split('\n')).toEqual(lines);
    expect(await run('logs', '--since', 'never')).toMatchObject({ code: 2 });
    expect(await run('logs', '--limit', '0')).toMatchObject({ code: 2 });
  });

  it(
    'follows over a control plane that is killed, without a loss and without a repetition',
    async () => {
      const following = RunningCommand.cli(['logs', '-f', '--json', '--policy', 'followed'], {
        env: { XDG_CONFIG_HOME: product.configHome },
      });
      const numbers = (): number[] =>
        following.lines.map((line) => Number((JSON.parse(line) as Alert).EventID.split('-')[1]));
      const has = (count: number): Promise<unknown> =>
        eventually(`${count} alerts`, MINUTE, () => Promise.resolve(numbers().length >= count));
      try {
        await web1.send(alertBatch('followed', 21, 23));
        await has(3);
        await product.signal('control plane', 'SIGKILL');
        await web1.send(alertBatch('followed', 24, 26));
        await eventually('it says that it was cut', MINUTE, () =>
          Promise.resolve(following.stderr.includes('the stream was cut')),
        );
        await has(6);
        await ready();
        await web1.send(alertBatch('followed', 27, 27));
        await has(7);
        expect(numbers()).toEqual([21, 22, 23, 24, 25, 26, 27]);
        expect(following.stderr).toBe(
          'hostward: the stream was cut, resuming when the control plane is back\n' +
            'hostward: the stream is back\n',
        );
      } finally {
        await following.stop();
      }
    },
    3 * MINUTE,
  );

  it('does not follow with a wrong token', async () => {
    const env = { HOSTWARD_TOKEN: 'wrong' };
    expect(await product.cli(['logs', '-f'], { env })).toMatchObject({ code: 1 });
  });
});

describe('tokens and labels', () => {
  it('a join token is shown once, alone with -o name, and listed without itself', async () => {
    const made = await json<JoinTokenView>(
      'create',
      'join-token',
      '--uses',
      '3',
      '--ttl',
      '2h',
      '--labels',
      'a=b',
    );
    expect(made).toMatchObject({ uses: 3, usesLeft: 3, labels: { a: 'b' } });
    expect(await out('get', 'join-tokens', '-o', 'json')).not.toContain(made.token ?? 'none');
    expect((await out('create', 'join-token', '-o', 'name')).trim()).toMatch(/^\S{40,}$/);
    expect(await out('create', 'join-token')).toMatch(
      /^\S+\n\nid \w+, for 1 host, until \S+Z\. It is not shown again\.\n$/,
    );
    for (const wrong of [
      ['--uses', '0'],
      ['--uses', 'x'],
      ['--ttl', '1y'],
      ['--labels', 'a'],
      ['-o', 'x'],
    ])
      expect([wrong, (await run('create', 'join-token', ...wrong)).code]).toEqual([wrong, 2]);
    expect(await run('create', 'join-token', '--ttl', '900d')).toMatchObject({ code: 1 });
    expect(await out('delete', 'join-token', made.id)).toBe(`join-token/${made.id} deleted\n`);
  });

  it('a join token for groups says so, and is made only where its labels lead into them', async () => {
    expect((await input(group('bound', { tier: 'bound' }), 'apply')).code).toBe(0);
    const args = ['--labels', 'tier=bound', '--group', 'bound'];
    const made = await json<JoinTokenView>('create', 'join-token', ...args);
    expect(made).toMatchObject({ groups: ['bound'] });
    expect(await out('get', 'join-tokens')).toMatch(new RegExp(`^${made.id} .*group bound`, 'm'));
    const refused = await run('create', 'join-token', '--group', 'bound');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/does not select hosts.*remedy/s);
    await out('delete', 'join-token', made.id);
    await out('delete', 'group', 'bound');
  });

  it('a join token for certain networks and machines says so', async () => {
    const args = ['--cidr', '10.0.0.0/8,::1', '--cidr', '192.0.2.7', '--attest', 'ssh-host-key'];
    const made = await json<JoinTokenView>('create', 'join-token', ...args);
    expect(made).toMatchObject({ cidrs: ['10.0.0.0/8', '::1/128', '192.0.2.7/32'] });
    const line = new RegExp(`^${made.id} +1/1 .* ssh-host-key 10`, 'm');
    expect(await out('get', 'join-tokens')).toMatch(line);
    expect(await out('describe', 'join-token', made.id)).toContain('10.0.0.0/8');
    expect(await run('create', 'join-token', '--cidr', 'home')).toMatchObject({ code: 1 });
    expect(await run('create', 'join-token', '--attest', 'x')).toMatchObject({ code: 2 });
    expect(await run('node', 'reinstate', 'web1')).toMatchObject({ code: 1 });
    await out('delete', 'join-token', made.id);
  });

  it('labels are set and removed together', async () => {
    expect(await out('label', 'node', 'web1', 'x=1', 'w-')).toContain(' x=1');
    expect(await out('label', 'node', 'web1', 'x-')).not.toContain('x=1');
    expect(await run('label', 'node', 'web1')).toMatchObject({ code: 2 });
    expect(await run('label', 'node', 'web1', 'novalue')).toMatchObject({ code: 2 });
    expect(await run('label', 'policy', 's1', 'a=b')).toMatchObject({ code: 2 });
    expect(await run('label', 'node', 'web1', '../x=y')).toMatchObject({ code: 1 });
    expect(await run('label', 'node', 'nowhere', 'a=b')).toMatchObject({ code: 1 });
  });
});

describe("karmor's verbs", () => {
  it('declare, list, label and offboard hosts, by file and by name', async () => {
    const vm = await file(
      'vm.yaml',
      'apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: {name: vm1, labels: {a: b}}\n',
    );
    const policy = await file('hsp.yaml', blockProgram('by-karmor', '/usr/bin/nc', { a: 'b' }));
    expect(await out('vm', 'add', vm)).toBe('KubeArmorVirtualMachine/vm1 created\n');
    expect(await out('vm', 'list')).toMatch(/^vm1 +declared /m);
    expect(await out('vm', 'label', 'add', '--vm', 'vm1', '--label', 'env:prod,tier:db')).toContain(
      'env=prod',
    );
    expect(await out('vm', 'label', 'list', '--vm', 'vm1')).toBe('a=b\nenv=prod\ntier=db\n');
    await out('vm', 'label', 'delete', '--vm', 'vm1', '--label', 'env:prod');
    expect(await out('vm', 'label', 'vm1', 'tier-', 'c=d')).toContain('a=b c=d');
    expect(await out('vm', 'label', 'vm1')).toBe('a=b\nc=d\n');
    expect(await out('vm', 'policy', 'add', policy)).toBe(
      'KubeArmorHostPolicy/by-karmor created\n',
    );
    expect(await run('vm', 'add', policy)).toMatchObject({ code: 2, stdout: '' });
    expect(await out('vm', 'policy', 'delete', policy)).toBe('policy/by-karmor deleted\n');
    expect(await out('vm', 'delete', vm)).toBe('node/vm1 deleted\n');
    expect(await run('vm', 'delete', 'vm1')).toMatchObject({ code: 1 });
    expect(await run('vm', 'label')).toMatchObject({ code: 2 });
  });
});

describe('delete', () => {
  it('takes names, or the files that name them; an alert cannot be deleted', async () => {
    const set = await file(
      'set.yaml',
      `${blockProgram('d1', '/x/y', PROD)}---\n${blockProgram('d2', '/x/y', PROD)}`,
    );
    await out('apply', '-f', set);
    expect(await out('delete', '-f', set)).toBe('policy/d1 deleted\npolicy/d2 deleted\n');
    expect(await run('delete', 'policy', 'd1')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/there is no policy "d1"\nremedy: /),
    });
    expect(await run('delete', 'policy')).toMatchObject({ code: 2 });
    expect(await run('delete', 'alert', 'x')).toMatchObject({ code: 2 });
    for (const name of ['..', '.', ''])
      expect([name, (await run('delete', 'policy', name)).code]).toEqual([name, 2]);
    expect(await run('delete', 'policy', '../nodes/web1')).toMatchObject({ code: 1 });
    expect(await run('get', 'node', 'web1')).toMatchObject({ code: 0 });
  });
});

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
          [['apply', '--over'], ['--override-protection']],
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

  it('offers names to nobody where there is no control plane, and knows no third shell', async () => {
    const env = { XDG_CONFIG_HOME: join(folder, 'no-config') };
    const words = ['__complete', '--', 'get', 'nodes', ''];
    expect(await product.cli(words, { env })).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await run('completion', 'fish')).toMatchObject({ code: 2 });
  });
});

describe('help and errors', () => {
  it('every command has help that fits 80 columns, with an example of it', async () => {
    const commands = (await createProgram()).commands.filter(
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

  it('ends quietly when its reader has gone', async () => {
    const script = `"${execPath}" ${CLI.join(' ')} get nodes -o json | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], {
      env: { ...cleanEnvironment(), XDG_CONFIG_HOME: product.configHome },
    });
    expect({ stdout, stderr }).toEqual({ stdout: '[\n0\n', stderr: '' });
  });
});

describe('colour', () => {
  // `script` of util-linux gives the command a terminal.
  const inTerminal = async (args: string, env: Record<string, string> = {}): Promise<string> => {
    const command = `"${execPath}" ${CLI.join(' ')} ${args}`;
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], {
      env: { ...cleanEnvironment(), TERM: 'xterm', XDG_CONFIG_HOME: product.configHome, ...env },
    }).catch((error: { stdout: string }) => ({ stdout: error.stdout }));
    return stdout;
  };

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

async function ready(): Promise<void> {
  await eventually('ready', MINUTE, async () => (await product.readiness()).status === 200);
}
