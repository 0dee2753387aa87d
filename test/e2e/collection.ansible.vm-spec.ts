import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { fingerprint } from '#pki';
import { type DebianRelease, Lab, type Vm } from '#testing';
import { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { AnsibleController, failureOf, recapOf } from './support/ansible-controller.js';
import { agentConfinement, expectAllowed, expectBlocked, FIND_OURS } from './support/guest.js';
import { agentPackages, type AgentPackages } from './support/agent-packages.js';
import { whileProbing } from './support/probe-loop.js';
import { Product, projectRoot } from './support/product.js';

const MINUTE = 60_000;
const DAY_S = 86_400;
/** What of `ansible-test sanity` needs no packages of a registry. */
const SANITY = [
  ...['compile', 'action-plugin-docs', 'empty-init', 'line-endings', 'no-assert'],
  ...['no-get-exception', 'no-smart-quotes', 'shebang', 'symlinks', 'use-argspec-type-path'],
];

/** What no file of support holds: tokens, keys, and secrets of Redis. */
const SECRETS = /hw[a-z]_[0-9a-f]{8}|PRIVATE KEY|-----BEGIN/;

/** Holds what dpkg and apt lock, as somebody else's upgrade does, until it is told to end. */
const HOLD_APT = `import fcntl, os, time
held = [open(path, 'w') for path in ('/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock')]
for file in held:
    fcntl.lockf(file, fcntl.LOCK_EX)
while not os.path.exists('/run/release-apt'):
    time.sleep(0.2)
`;

const RELEASES: readonly DebianRelease[] =
  process.env['HOSTWARD_FULL'] === '1' ? ['trixie', 'bookworm'] : ['trixie'];

jest.setTimeout(15 * MINUTE);

/** The collection hostward.fleet, from its artefact, on bare hosts until they are bare again. */
describe.each(RELEASES)('the Ansible collection, on Debian %s', (release) => {
  // Debian 12's parser is too old for the agent's own profile.
  const label = release === 'trixie' ? 'hostward-agent (enforce)' : 'unconfined';
  let product: Product;
  let lab: Lab;
  let controller: AnsibleController;
  let web1: Vm;
  let web2: Vm;
  let packages: AgentPackages;
  /** All that plays said: no secret may be in it. */
  const said: string[] = [];

  beforeAll(async () => {
    product = await Product.up();
    controller = await AnsibleController.of(product);
    await controller.installCollection();
    lab = await Lab.open({ release, cpus: 1 });
    const from = await lab.base();
    [web1, web2, packages] = await Promise.all([
      lab.vm({ name: 'web1', from }),
      lab.vm({ name: 'web2', from }),
      agentPackages(controller.folder),
    ]);
  }, 15 * MINUTE);
  afterAll(async () => {
    await Promise.all([lab?.close(), product?.down(), controller?.remove()]);
  }, 2 * MINUTE);

  const inventory = (ofWeb1: object = {}, ofWeb2: object = {}): Promise<void> =>
    controller.inventory(
      [
        { vm: web1, variables: ofWeb1 },
        { vm: web2, variables: ofWeb2 },
      ],
      {
        hostward_agent_package: packages.first,
        hostward_agent_labels: { env: 'prod' },
        hostward_agent_wait_seconds: 900,
      },
    );
  const play = async (...args: Parameters<AnsibleController['play']>) => {
    const ended = await controller.play(...args);
    said.push(ended.output);
    return { ...ended, recap: recapOf(ended) };
  };
  const nodes = async (): Promise<string> => (await product.must(['get', 'nodes'])).stdout;

  it('step 1: installs from its artefact, and is clean for ansible-lint, yamllint and ansible-test', async () => {
    const cwd = join(projectRoot, 'ansible');
    const linted = ['--offline', '--nocolor', '--project-dir', cwd];
    const environment = { ANSIBLE_COLLECTIONS_PATH: join(controller.folder, 'collections') };
    const lint = await controller.run('env', ['-C', cwd, 'ansible-lint', ...linted], environment);
    expect([lint.code, lint.output]).toEqual([0, expect.stringContaining('it passed')]);
    const collection = join(controller.folder, 'collections/ansible_collections/hostward/fleet');
    const sanity = SANITY.flatMap((name) => ['--test', name]);
    // The system's own Pythons: a version manager has shims for some that it does not have.
    const system = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
    await controller.must('env', ['-C', collection, system, 'ansible-test', 'sanity', ...sanity]);
    await controller.must('yamllint', ['--strict', '-c', join(cwd, '.yamllint'), cwd]);
  });

  it('step 2: its units hold against this control plane', async () => {
    const { url, caFingerprint } = await product.record();
    const environment = {
      HOSTWARD_URL: url,
      HOSTWARD_CA: controller.caFile,
      HOSTWARD_FINGERPRINT: caFingerprint,
    };
    const units = join(projectRoot, 'ansible/tests/unit');
    const args = ['-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', units];
    const { code, output } = await controller.run('/usr/bin/python3', args, environment);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/\d+ passed/) });
  });

  it('step 3: a check on bare hosts says what it would do and does nothing', async () => {
    await inventory();
    const checked = await play('hostward.fleet.bootstrap', ['--check', '--diff']);
    expect(failureOf(checked)).toBe('');
    const { recap } = checked;
    for (const name of ['web1', 'web2']) expect(recap[name]?.['changed']).toBeGreaterThan(0);
    expect(await nodes()).not.toMatch(/web\d/);
    for (const vm of [web1, web2]) await expectAllowed(vm, `test -z "$(${FIND_OURS})"`);
  });

  it('step 4: a clock two days off, a read-only /etc and a user without sudo are said, with the remedy', async () => {
    await web2.ssh(
      `useradd -m -p '*' plain && install -d -o plain -m 700 ~plain/.ssh && install -o plain -m 600 /root/.ssh/authorized_keys ~plain/.ssh/`,
    );
    await web1.ssh(`date -s @$(($(date +%s) + ${2 * DAY_S}))`);
    await web1.ssh('mount --bind /etc /etc && mount -o remount,ro,bind /etc');
    await inventory({}, { ansible_user: 'plain' });
    const { code, recap, output } = await play('hostward.fleet.bootstrap', [
      '--tags=hostward_preflight',
    ]);
    await web1.ssh(`date -s @$(($(date +%s) - ${2 * DAY_S}))`);
    await web1.ssh('umount /etc');
    await web2.ssh('userdel -rf plain');
    expect([code, recap['web1']?.['failed'], recap['web2']?.['failed']]).toEqual([2, 1, 1]);
    expect(output).toMatch(/clock: the clock is 17\d{4} s ahead.*Remedy: timedatectl/);
    expect(output).toMatch(/writable: mounted read-only: \/etc.*Remedy: /);
    expect(output).toMatch(/web2.*Missing sudo password/);
  });

  it('step 5: a wrong fingerprint and a spent token are said, and apt is waited for', async () => {
    const token = await product.joinToken();
    await new TestHost('spender', await product.rest()).enroll(token);
    await product.must(['delete', 'node', 'spender']);
    await web1.writeFile('/root/hold.py', HOLD_APT);
    await web1.ssh('systemd-run --quiet python3 /root/hold.py');
    await inventory(
      { hostward_agent_ca_fingerprint: 'ab'.repeat(32) },
      { hostward_agent_join_token: token },
    );
    let released: Promise<unknown> | undefined;
    const { code, recap, output } = await play('hostward.fleet.bootstrap', [], (soFar) => {
      if (soFar.includes('RETRYING: [web1]: Install the package'))
        released ??= web1.ssh('touch /run/release-apt');
    });
    await released;
    expect([code, recap['web1']?.['failed'], recap['web2']?.['failed']]).toEqual([2, 1, 1]);
    expect(released).toBeDefined();
    expect(output).toMatch(/web1 did not enrol: .*fingerprint/);
    expect(output).toMatch(/web2 did not enrol: .*token/);
    expect(output).not.toContain(token);
  });

  it('step 6: a host that dies in the middle does not hold up the others', async () => {
    await inventory();
    let dying: Promise<void> | undefined;
    let back: Promise<void> | undefined;
    const { code, recap } = await play('hostward.fleet.bootstrap', [], (output) => {
      if (output.includes('Enrol this host]')) dying ??= web2.kill();
      // It boots while the play goes on without it.
      if (output.includes('UNREACHABLE!')) back ??= dying?.then(() => web2.powerOn());
    });
    await back;
    expect([code, recap['web1']?.['failed'], recap['web1']?.['unreachable']]).toEqual([4, 0, 0]);
    expect(recap['web2']?.['unreachable']).toBe(1);
  });

  it('step 7: another run brings it in, and the one after changes nothing on any host', async () => {
    await inventory();
    await web1.ssh("sed -i 's/^enforcer: .*/enforcer: observe/' /etc/hostward/agent.yaml");
    const first = await play('hostward.fleet.bootstrap');
    // Of web1 the join token, which is made for the run, and what was changed by hand, with a restart of the agent.
    expect([first.code, first.recap['web1']?.['changed']]).toEqual([0, 3]);
    expect((await web1.ssh('grep ^enforcer /etc/hostward/agent.yaml')).stdout).toBe(
      'enforcer: auto\n',
    );
    // A URL by which it reaches nobody is found before it is written there.
    const url = 'hostward_agent_control_plane_url=https://10.0.2.2:1';
    const wrong = await play('hostward.fleet.bootstrap', ['-l', 'web1', '-e', url]);
    expect([wrong.code, wrong.output]).toEqual([
      2,
      expect.stringContaining('Hostward does not run here'),
    ]);
    const second = await play('hostward.fleet.bootstrap');
    const unchanged = expect.objectContaining({ changed: 0, failed: 0, unreachable: 0 });
    expect(second.recap).toEqual({ web1: unchanged, web2: unchanged });
    expect(await nodes()).toMatch(/web1\s+enrolled\s+yes.*web2\s+enrolled\s+yes/s);
  });

  it('step 8: policies by module are enforced everywhere, and are unchanged the second time', async () => {
    for (const vm of [web1, web2]) await vm.writeFile('/etc/secret.txt', 'secret\n');
    const plays = join(projectRoot, 'ansible/tests/plays/policies.yml');
    const first = await play(plays);
    expect([first.code, first.recap['localhost']?.['changed']]).toEqual([0, 2]);
    for (const vm of [web1, web2]) {
      await expectBlocked(vm, 'nice true');
      await expectBlocked(vm, 'cat /etc/secret.txt');
    }
    expect((await play(plays)).recap['localhost']).toMatchObject({ changed: 0, failed: 0 });
  });

  it('step 9: hosts listen nowhere, run the agent without power, and hold no token', async () => {
    for (const vm of [web1, web2]) {
      expect((await vm.ssh('ss -Hltnup')).stdout).not.toMatch(/hostward|node/);
      const agent = 'ps -o user= -p "$(systemctl show -p MainPID --value hostward-agent)"';
      expect((await vm.ssh(agent)).stdout.trim()).toBe('hostward');
      expect(await agentConfinement(vm)).toEqual({ label, denied: [] });
      const search =
        'grep -rlE "hwj[_-][0-9a-f]" /etc /var/lib/hostward /var/log /root /tmp; journalctl | grep -cE "hwj[_-][0-9a-f]"';
      expect((await vm.ssh(search, { allowFailure: true })).stdout.trim()).toBe('0');
    }
  });

  it('step 10: what helps to find a fault is collected, and holds no secret', async () => {
    const folder = join(controller.folder, 'support');
    const args = ['-e', `hostward_support_dir=${folder}`, '-e', 'hostward_hosts=web1'];
    const { code, recap } = await play('hostward.fleet.collect_support', args);
    expect([code, recap['web1']?.['failed']]).toEqual([0, 0]);
    const names = await readdir(join(folder, 'web1'));
    const files = await Promise.all(
      names.map(
        async (name) => [name, await readFile(join(folder, 'web1', name), 'utf8')] as const,
      ),
    );
    const found = Object.fromEntries(files);
    expect(found['preflight.json']).toMatch(/"check":"lsm"/);
    expect(found['sensor-status.txt']).toMatch(/enforce/);
    expect(found['journal.txt']).toMatch(/hostward-agent|agent runs/);
    expect(found['units.txt']).toMatch(/hostward-sensor\.service.*active \(running\)/s);
    const kept = await web1.ssh('cat /var/lib/hostward/agent/redis.secret');
    for (const [name, text] of files) {
      expect([name, SECRETS.test(text)]).toEqual([name, false]);
      expect([name, text.includes(kept.stdout.trim())]).toEqual([name, false]);
    }
  });

  it('step 11: an upgrade leaves no moment without enforcement, and waits until the host is back', async () => {
    let failure: string | undefined;
    const counted = await whileProbing(web1, '/etc/secret.txt', '/usr/bin/nice', async () => {
      const args = ['-e', `hostward_agent_package=${packages.second}`, '-e', 'hostward_hosts=web1'];
      failure = failureOf(await play('hostward.fleet.upgrade', args));
    });
    expect({ failure, through: counted.through }).toEqual({ failure: '', through: 0 });
    expect(counted.tries).toBeGreaterThan(100);
    const version = await web1.ssh(['dpkg-query', '-Wf', '${Version}', 'hostward-agent']);
    expect(version.stdout).toBe(packages.secondVersion);
  });

  it('step 11a: another run passes no host that went back, though dpkg names the version', async () => {
    const state = '/var/lib/hostward/upgrade';
    const word = JSON.stringify({ from: packages.secondVersion, to: 'before', reason: 'by hand' });
    await web1.ssh(`mkdir -p ${state} && printf '%s' '${word}' > ${state}/rolled-back.json`);
    const args = ['-e', `hostward_agent_package=${packages.second}`, '-e', 'hostward_hosts=web1'];
    const failed = await play('hostward.fleet.upgrade', args);
    expect([failed.code === 0, failed.recap['web1']?.['failed']]).toEqual([false, 1]);
    expect(failed.output).toContain('Look whether it went back');
    expect(failed.output).toContain('by hand');
    await web1.ssh(`rm ${state}/rolled-back.json`);
    const { code, recap } = await play('hostward.fleet.upgrade', args);
    expect([code, recap['web1']?.['changed']]).toEqual([0, 0]);
  });

  it('step 12: the CA is replaced, and hosts with it, while policies stay enforced', async () => {
    const { caFingerprint: before } = await product.record();
    const rotated = await play('hostward.fleet.rotate');
    expect(failureOf(rotated)).toBe('');
    const { output } = rotated;
    const after = fingerprint(await readFile(controller.caFile, 'utf8'));
    expect(after).not.toBe(before);
    expect(output).toContain(`hostward_ca_fingerprint: ${after}`);
    const issuer =
      'openssl verify -CAfile /var/lib/hostward/agent/ca.crt /var/lib/hostward/agent/tls.crt';
    for (const vm of [web1, web2]) {
      await vm.ssh(issuer);
      await expectBlocked(vm, 'cat /etc/secret.txt');
      expect((await agentConfinement(vm)).denied).toEqual([]);
    }
  });

  it('step 13: offboarded hosts are as they were before', async () => {
    const { code, recap } = await play('hostward.fleet.offboard', ['-e', 'hostward_hosts=all']);
    expect([code, recap['web1']?.['failed'], recap['web2']?.['failed']]).toEqual([0, 0, 0]);
    for (const vm of [web1, web2]) {
      await vm.ssh('rm -f /root/hold.py');
      expect((await vm.ssh(FIND_OURS)).stdout).toBe('');
      expect((await vm.ssh('aa-status; bpftool prog show; getent passwd')).stdout).not.toMatch(
        /hostward/,
      );
      await expectAllowed(vm, 'nice true; cat /etc/secret.txt');
    }
    const { output } = await controller.run('ansible', [
      ...['localhost', '-m', 'hostward.fleet.node_info', '-a'],
      `url=${(await product.record()).url} ca_path=${controller.caFile}`,
    ]);
    expect(output).toContain('"nodes": []');
  });

  it('step 14: no play has said a token', async () => {
    expect(said.join('\n')).not.toContain((await product.context()).token);
    expect(said.join('\n')).not.toMatch(/hwj_[0-9a-f]+_/);
  });
});
