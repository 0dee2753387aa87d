import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Lab, type Vm } from '#testing';
import { Rest } from '../../apps/control-plane/src/testing/rest.js';
import { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { controlPlanePackage } from './support/agent-packages.js';
import { AnsibleController, failureOf, recapOf } from './support/ansible-controller.js';
import { FIND_OURS } from './support/guest.js';
import { offerServicePackages } from './support/service-packages.js';

const MINUTE = 60_000;
/** The command line of a control plane that the role made, as its user. */
const ON_CONTROL_PLANE =
  'runuser -u hostward-control -- env XDG_CONFIG_HOME=/var/lib/hostward-control-plane hostward';

jest.setTimeout(25 * MINUTE);

/** The role control_plane of hostward.fleet, on a bare machine. */
describe('a control plane by Ansible', () => {
  let lab: Lab;
  let controller: AnsibleController;
  let machine: Vm;
  /** All that plays said: no secret may be in it. */
  const said: string[] = [];
  const tokens: string[] = [];

  beforeAll(async () => {
    controller = await AnsibleController.of();
    await controller.installCollection();
    lab = await Lab.open({ cpus: 1 });
    machine = await lab.vm({ name: 'cp1' });
    await offerServicePackages([machine], controller.folder);
    await controller.inventory([{ vm: machine }], {
      hostward_control_plane_package: await controlPlanePackage(controller.folder),
      hostward_control_plane_names: ['cp.example'],
      hostward_control_plane_wait_seconds: 1_200,
    });
  }, 15 * MINUTE);
  afterAll(async () => {
    await Promise.all([lab?.close(), controller?.remove()]);
  }, 2 * MINUTE);

  const play = async (...args: string[]) => {
    const ended = await controller.play('hostward.fleet.control_plane', [
      ...['-e', 'hostward_control_plane_hosts=cp1'],
      ...args,
    ]);
    said.push(ended.output);
    expect(failureOf(ended)).toBe('');
    return recapOf(ended)['cp1'];
  };

  it('step 1: a check says what it would do and does nothing', async () => {
    expect((await play('--check', '--diff'))?.['changed']).toBeGreaterThan(0);
    expect((await machine.ssh(FIND_OURS)).stdout).toBe('');
  });

  it('step 2: it comes up, and services of the distribution are never started', async () => {
    await play();
    const units = 'systemctl show -P ActiveState -P ActiveEnterTimestamp';
    const states = await machine.ssh(
      `for unit in hostward-up etcd redis-server; do systemctl is-active $unit; systemctl is-enabled $unit; done; ${units} etcd redis-server`,
      { allowFailure: true },
    );
    expect(states.stdout.split('\n').filter(Boolean)).toEqual([
      ...['active', 'enabled', 'inactive', 'disabled', 'inactive', 'disabled'],
      ...['inactive', 'inactive'],
    ]);
    const own = await machine.ssh(
      "sed -n 's/^ *token: //p' /var/lib/hostward-control-plane/hostward/config.yaml",
    );
    tokens.push(own.stdout.trim());
    expect(own.stdout.trim().length).toBeGreaterThan(20);
    expect((await machine.ssh('journalctl --no-pager -o cat')).stdout).not.toContain(
      own.stdout.trim(),
    );
  });

  it('step 3: a host joins it, with a token of it, and a second run changes nothing', async () => {
    const made = await machine.ssh(`${ON_CONTROL_PLANE} create join-token -o name`, {
      timeoutMs: MINUTE,
    });
    const token = made.stdout.trim();
    tokens.push(token);
    const ca = await machine.ssh('cat /var/lib/hostward-control-plane/up/control-plane/pki/ca.pem');
    const url = `https://127.0.0.1:${await machine.hostForward(7443)}`;
    await new TestHost('joining', new Rest(url, ca.stdout, 'none')).enroll(token);
    const { stdout } = await machine.ssh(`${ON_CONTROL_PLANE} get nodes`, { timeoutMs: MINUTE });
    expect(stdout).toMatch(/joining\s+enrolled/);
    expect(await play()).toMatchObject({ changed: 0, failed: 0 });
  });

  it('step 4: no play has said a token', () => {
    for (const each of tokens) expect(said.join('\n')).not.toContain(each);
    expect(said.join('\n')).not.toMatch(/hwj_[0-9a-f]+_/);
  });
});
