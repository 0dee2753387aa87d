import { expect } from '@jest/globals';
import type { Vm } from '#testing';

const DENIED = /Permission denied|EACCES|Operation not permitted/;

/** Everything of ours on the host's file systems, the logs of its own journal and apt apart. */
export const FIND_OURS =
  "find / -xdev \\( -path /proc -o -path /sys -o -path /var/log \\) -prune -o \\( -iname '*hostward*' -print \\); find /run /sys/fs/bpf /sys/kernel/security/apparmor/policy -iname '*hostward*' 2>/dev/null; true";

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

/** Throws the error anew with what the units of the host said last, which a machine of CI takes with it. */
export async function withJournal(vm: Vm, error: unknown, besides = 'true'): Promise<never> {
  const told = await vm.ssh(
    `${besides}
     journalctl --no-pager -b -n 80 -u hostward-upgrade -u hostward-sensor -u hostward-compiler -u hostward-agent`,
    { allowFailure: true },
  );
  const message = error instanceof Error ? error.message : String(error);
  throw new Error(`${message}\n${told.stdout}`, { cause: error });
}
