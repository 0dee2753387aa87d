import { LabError, labDown, labSsh, labUp } from '#testing';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';

/** Adds `lab up|ssh|down`: real Debian 13 VMs in QEMU on this machine, without a control plane. */
export function registerLab(program: Command): void {
  const lab = program
    .command('lab')
    .description('virtual machines on this machine, to try policies on')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward lab up --nodes 2\n  hostward lab ssh node1 -- uname -a\n  hostward lab down',
    );
  lab
    .command('up')
    .description('start VMs, node1 to nodeN')
    .option('--nodes <N>', 'how many', parseCount, 1)
    .action(async ({ nodes }: { nodes: number }) => {
      for (const node of await failing(labUp(nodes)))
        console.log(`${node.name}\tssh port ${node.port}\tconsole ${node.consoleLog}`);
    });
  lab
    .command('ssh')
    .description('run a command as root on a VM, or open a shell: lab ssh NODE -- CMD')
    .argument('<node>')
    .argument('[command...]')
    .action(async (node: string, command: string[]) => {
      process.exitCode = await failing(labSsh(node, command));
    });
  lab
    .command('down')
    .description('end all VMs')
    .action(async () => console.log(`${await failing(labDown())} VMs ended`));
}

/** What the lab says of itself is for whoever uses it, and no defect of ours. */
async function failing<T>(verb: Promise<T>): Promise<T> {
  try {
    return await verb;
  } catch (cause) {
    if (cause instanceof LabError) throw new CommandFailed(cause.message, undefined, { cause });
    throw cause;
  }
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 50)
    throw new InvalidArgumentError('a number from 1 to 50');
  return count;
}
