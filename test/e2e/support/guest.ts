import { expect } from '@jest/globals';
import type { Vm } from '#testing';

const DENIED = /Permission denied|EACCES|Operation not permitted/;

/** Runs a command in the guest and expects that the kernel refused it. */
export async function expectBlocked(vm: Vm, command: string): Promise<void> {
  const { code, stdout, stderr } = await vm.ssh(command, { allowFailure: true });
  expect({ command, output: `${stdout}${stderr}` }).toEqual({
    command,
    output: expect.stringMatching(DENIED),
  });
  expect(code).not.toBe(0);
}

/** Runs a command in the guest and expects that it ended well. */
export async function expectAllowed(vm: Vm, command: string): Promise<void> {
  const { code, stdout, stderr } = await vm.ssh(command, { allowFailure: true });
  expect({ command, code, output: code === 0 ? '' : `${stdout}${stderr}` }).toEqual({
    command,
    code: 0,
    output: '',
  });
}

/** Whether the kernel refuses a command now. */
export async function isBlocked(vm: Vm, command: string): Promise<boolean> {
  const { code, stdout, stderr } = await vm.ssh(command, { allowFailure: true });
  return code !== 0 && DENIED.test(`${stdout}${stderr}`);
}

/** Whether a command ends well now. */
export async function isAllowed(vm: Vm, command: string): Promise<boolean> {
  return (await vm.ssh(command, { allowFailure: true })).code === 0;
}

/** The agent's label, and what its own profile has denied it in this boot: a line each. */
export async function agentConfinement(
  vm: Vm,
): Promise<{ readonly label: string; readonly denied: readonly string[] }> {
  const { stdout } = await vm.ssh(
    `cat /proc/$(systemctl show -P MainPID hostward-agent)/attr/apparmor/current
     journalctl -k -b -q -o cat --grep='apparmor="DENIED".*profile="hostward-agent"' || true`,
  );
  const [label = '', ...denied] = stdout.split('\n').filter(Boolean);
  return { label, denied };
}
