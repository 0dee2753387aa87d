import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { lookAtHost, type EnforcerWish } from './host-facts.js';

/** What is chosen on a host of which these files tell; the parsers only say which version they are. */
describe('the enforcer of a host', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'host-facts-'));
    mkdirSync(join(root, 'features'));
    for (const version of ['3.0.8', '4.1.0']) {
      const file = join(root, version);
      writeFileSync(file, `#!/bin/sh\necho "AppArmor parser version ${version}"\n`);
      chmodSync(file, 0o755);
    }
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const found = async (
    wish: EnforcerWish,
    { parser = '4.1.0', lsm = 'landlock,apparmor' } = {},
  ) => {
    writeFileSync(join(root, 'lsm'), lsm);
    const { capabilities, enforcerReason } = await lookAtHost(
      { root, securityfs: root, features: join(root, 'features'), parser: join(root, parser) },
      [],
      Date.now() + 10_000,
      wish,
    );
    const { bpf = false, missing, apparmor } = capabilities;
    return { bpf, apparmor: apparmor?.parser, missing, enforcerReason };
  };

  it('is BPF-LSM by itself where it denied what it was asked to', async () => {
    expect(await found({ enforcer: 'auto', bpfLsm: true })).toEqual({
      bpf: true,
      enforcerReason: 'BPF-LSM denied what it was asked to on this kernel',
    });
  });

  it('sees queries to DNS where there is cgroup v2', async () => {
    const options = { root, securityfs: root, features: root, parser: root };
    const wish = { enforcer: 'auto', bpfLsm: true } as const;
    const queries = async () =>
      (await lookAtHost(options, [], Date.now() + 10_000, wish)).capabilities.queries;
    expect(await queries()).toBe(false);
    mkdirSync(join(root, 'sys/fs/cgroup'), { recursive: true });
    writeFileSync(join(root, 'sys/fs/cgroup/cgroup.controllers'), '');
    expect(await queries()).toBe(true);
  });

  it('needs the client by which it gets its address, where it has one', async () => {
    const options = { root, securityfs: root, features: root, parser: root };
    const needed = async () => {
      const { capabilities } = await lookAtHost(options, [], Date.now() + 10_000);
      return capabilities.controlPath?.paths?.map(({ path }) => path) ?? [];
    };
    expect(await needed()).not.toContain('/usr/sbin/dhcpcd');
    mkdirSync(join(root, 'usr/sbin'), { recursive: true });
    writeFileSync(join(root, 'usr/sbin/dhcpcd'), '');
    expect(await needed()).toEqual(
      expect.arrayContaining(['/usr/sbin/dhcpcd', '/etc/dhcpcd.conf']),
    );
    expect(await needed()).not.toContain('/usr/sbin/dhclient');
  });

  it('knows its directories, of which a link to one is none', async () => {
    mkdirSync(join(root, 'etc/ssh'), { recursive: true });
    symlinkSync('etc/ssh', join(root, 'link'));
    writeFileSync(join(root, 'file'), '');
    const options = { root, securityfs: root, features: root, parser: root };
    const { capabilities } = await lookAtHost(options, [], Date.now() + 10_000);
    const paths = ['/etc/ssh', '/link', '/file', '/missing'];
    expect(paths.filter((path) => capabilities.isDirectory?.(path))).toEqual(['/etc/ssh']);
  });

  it('is AppArmor where BPF-LSM is not active, and says how to have it and what leads round AppArmor', async () => {
    const { apparmor, enforcerReason } = await found({ enforcer: 'auto', bpfLsm: false });
    expect(apparmor).toBe('4.1.0');
    expect(enforcerReason).toMatch(
      /^BPF-LSM is not active \(lsm=landlock,apparmor\): add bpf to lsm= .*; it judges by path alone: .*hard links/,
    );
  });

  it('is AppArmor where BPF-LSM is active and does not deny', async () => {
    const lsm = 'apparmor,bpf';
    const { apparmor, enforcerReason } = await found({ enforcer: 'auto', bpfLsm: false }, { lsm });
    expect(apparmor).toBe('4.1.0');
    expect(enforcerReason).toContain('is active, but no denial by it was proved');
  });

  it('is what the owner asks for, or none', async () => {
    const byOwner = await found({ enforcer: 'apparmor', bpfLsm: true });
    expect(byOwner).toMatchObject({ bpf: false, apparmor: '4.1.0' });
    expect(byOwner.enforcerReason).toMatch(/^agent\.yaml asks for it; it judges by path alone/);
    expect(await found({ enforcer: 'bpf', bpfLsm: true })).toMatchObject({
      ...{ bpf: true, enforcerReason: 'agent.yaml asks for it' },
    });
    const none = await found({ enforcer: 'bpf', bpfLsm: false });
    expect(none).toMatchObject({
      bpf: false,
      missing: expect.stringContaining('asks for enforcer: bpf'),
    });
  });

  it('is none where the parser is older than 4.0 and BPF-LSM is not there', async () => {
    const old = { parser: '3.0.8' };
    expect((await found({ enforcer: 'auto', bpfLsm: false }, old)).missing).toMatch(
      /3\.0\.8 3\.0\.8 is too old: 4\.0 or later is needed/,
    );
    expect((await found({ enforcer: 'auto', bpfLsm: true }, old)).bpf).toBe(true);
  });
});
