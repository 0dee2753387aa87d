import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { JoinTokenView } from '#contracts';
import { group } from '../../../apps/control-plane/src/testing/rig.js';
import { blockProgram } from '../support/policies.js';
import { run, out, json, input, file, folder, PROD } from './one-product.js';

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

describe('redirect', () => {
  it('names a host that it leaves out, since it has not enrolled', async () => {
    const text =
      'apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: {name: later}\n';
    expect(await input(text, 'apply')).toMatchObject({ code: 0 });
    const to = ['--to=https://a.example:7443', `--ca-fingerprint=${'ab'.repeat(32)}`];
    const draft = ['--reason=moved', `--draft=${join(folder, 'move.json')}`];
    expect(await run('redirect', ...to, '--node', 'web1', 'later', ...draft)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^for web1, node id [0-9a-f]+\n/),
      stderr: 'later is left out: it has not enrolled\n',
    });
    await out('delete', 'node', 'later');
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
    const list = await file('vms.json', '[{"vmName":"vm2","labels":["a=b"],"identity":28523}]');
    expect(await out('vm', 'add', list)).toBe('KubeArmorVirtualMachine/vm2 created\n');
    expect(await out('vm', 'label', 'vm2')).toBe('a=b\n');
    expect(await out('vm', 'delete', 'vm2')).toBe('node/vm2 deleted\n');
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
