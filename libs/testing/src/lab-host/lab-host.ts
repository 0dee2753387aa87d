import type { Lab } from '../lab/lab.js';
import type { Snapshot } from '../lab/snapshot.js';
import type { Vm } from '../lab/vm.js';
import type { StagedHost } from './staged-host.js';

/** What a host needs to join: where the control plane is as seen from the guest, and one use of a token. */
export interface Joining {
  readonly url: string;
  readonly caFingerprint: string;
  readonly token: string;
  readonly name: string;
  /** `auto` unless given. */
  readonly enforcer?: 'apparmor' | 'bpf' | 'auto';
}

const INSTALL_TIMEOUT_MS = 180_000;
const START_TIMEOUT_MS = 120_000;
const UNITS = 'hostward-compiler.socket hostward-sensor.service hostward-agent.service';

/** A snapshot of a VM with the product installed and not enrolled, kept until the staged tree changes. */
export function installedSnapshot(lab: Lab, staged: StagedHost): Promise<Snapshot> {
  return lab.layer({
    name: 'installed',
    content: staged.content,
    prepare: async (vm) => {
      const mount = await vm.mountFolder(staged.dir, 'host');
      await vm.ssh(`${mount}/install.sh --no-start`, { timeoutMs: INSTALL_TIMEOUT_MS });
      // Reads the program once, so that a restored VM has it in its page cache.
      await vm.ssh('/usr/lib/hostward/node -e 0', { timeoutMs: INSTALL_TIMEOUT_MS });
    },
  });
}

/** Enrols an installed VM and starts its three processes; the token goes over standard input. */
export async function joinFleet(vm: Vm, joining: Joining): Promise<void> {
  const config = [
    'controlPlane:',
    `  url: ${joining.url}`,
    `  caFingerprint: '${joining.caFingerprint}'`,
    `enforcer: ${joining.enforcer ?? 'auto'}`,
    '',
  ].join('\n');
  await vm.writeFile('/etc/hostward/agent.yaml', config);
  await vm.ssh(
    [
      '/usr/lib/hostward/node',
      '/usr/lib/hostward/agent.mjs',
      'enroll',
      '--config=/etc/hostward/agent.yaml',
      '--token-file=stdin',
      `--name=${joining.name}`,
      '--agent-user=hostward',
    ],
    { input: `${joining.token}\n`, timeoutMs: START_TIMEOUT_MS },
  );
  await vm.ssh(`systemctl start ${UNITS}`, { timeoutMs: START_TIMEOUT_MS });
}
