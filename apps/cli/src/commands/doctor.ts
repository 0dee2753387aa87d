import type { Command } from 'commander';
import { findingText, type Finding } from '#contracts';
import { examine } from '../doctor/examine.js';
import { CommandFailed } from '../output/errors.js';
import { printable } from '../output/printable.js';
import { productVersion } from '../product/product-version.js';
import { chosenContext } from '../client/session.js';

/** `doctor`: the usual faults, from here to the last host. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .option('--json', 'one JSON object a line')
    .option('--all', 'also what is well')
    .description('find the usual faults, and say what to do about each')
    .addHelpText(
      'after',
      `
Examples:
  hostward doctor
  hostward doctor --json | jq 'select(.verdict != "ok")'
It looks at the context, the way to the control plane, its certificate and
clock, etcd, Redis, disk, the CA and the root document, the audit log, and what
hosts report. On a host: hostward-agent preflight. Exit code 1 where something
has failed; a warning is none.`,
    )
    .action(doctor);
}

async function doctor({ json, all }: { json?: boolean; all?: boolean }): Promise<void> {
  const found = (await examine(chosenContext(), productVersion())).map(shown);
  const faults = found.filter(({ verdict }) => verdict === 'failed');
  if (json === true) for (const finding of found) console.log(JSON.stringify(finding));
  else
    for (const finding of found)
      if (all === true || finding.verdict !== 'ok') process.stdout.write(findingText(finding));
  if (faults.length > 0)
    throw new CommandFailed(
      `${faults.length} of ${found.length} checks failed`,
      'begin with the first: others may follow from it',
    );
  if (json !== true) console.log(`${found.length} checks, nothing has failed`);
}

function shown({ check, verdict, cause, remedy }: Finding): Finding {
  return {
    check: printable(check),
    verdict,
    cause: printable(cause),
    remedy: printable(remedy),
  };
}
