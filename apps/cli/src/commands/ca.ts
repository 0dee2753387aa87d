import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { AuthoritiesView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { keepCa } from '../client/keep-ca.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { durationOption } from '../input/duration-option.js';
import { oneOf } from '../output/print.js';
import { chosenContext, withControlPlane } from '../client/session.js';

interface StepOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly leaveBehind?: boolean;
}

const POLL_MS = 1_000;
const NAMES_SHOWN = 5;

const EXAMPLES = `
Examples:
  hostward ca status
  hostward ca begin             # the next CA is trusted too, and signs nothing
  hostward ca switch --wait     # when all hosts trust it: it signs
  hostward ca finish --wait     # the CA before is trusted no more
  hostward ca begin --cert root.pem --key root.key    # one of your own
  hostward ca trust             # on each machine with a context of its own,
                                # between begin and switch
Nothing that is connected is cut off. Hosts that join after the switch pin the
new fingerprint; this command keeps the CA of your context up to date.`;

/** `ca`: the authority that hosts pin, and its replacement while everything runs. */
export function registerCa(program: Command): void {
  const ca = program
    .command('ca')
    .description('the CA that hosts and you trust, and its replacement')
    .addHelpText('after', EXAMPLES);
  ca.command('status')
    .option('-o, --output <format>', 'text or json', oneOf('-o', 'text', 'json'), 'text')
    .description('what is trusted now, and which hosts follow')
    .action(status);
  ca.command('begin')
    .option('--cert <file>', 'certificate of an own root, in PEM; default: one is made')
    .option('--key <file>', 'its private key, in PEM')
    .description('trust the next CA beside the one that signs')
    .action(begin);
  step(ca, 'switch', 'let the next CA sign; needs that every host trusts it');
  step(ca, 'finish', 'trust the CA before no more; nothing of ours is of it then');
  ca.command('abort')
    .description('take a replacement back that has only begun')
    .action(() => act('abort', {}));
  ca.command('trust')
    .description('write what is trusted now into the context')
    .action(() => act(undefined, {}));
}

function step(ca: Command, name: 'switch' | 'finish', description: string): void {
  ca.command(name)
    .option('--wait', 'until hosts and certificates have followed')
    .addOption(durationOption('--timeout <duration>', 'how long to wait', '20m'))
    .option('--leave-behind', 'cut off hosts that have not followed: enrol them anew')
    .description(description)
    .action(async ({ wait, timeout, leaveBehind = false }: StepOptions) => {
      await withControlPlane(async (controlPlane) => {
        if (wait === true) await followed(controlPlane, timeout, leaveBehind);
      });
      await act(name, { leaveBehind });
    });
}

async function status({ output }: { output: string }): Promise<void> {
  const view = await withControlPlane((controlPlane) => viewOf(controlPlane));
  console.log(output === 'json' ? JSON.stringify(view, null, 2) : textOf(view));
}

async function begin({ cert, key }: { cert?: string; key?: string }): Promise<void> {
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError('--cert and --key belong together: give both, or neither');
  const [certificate, privateKey] = await Promise.all([cert, key].map(readIfNamed));
  await act('begin', { certificate, privateKey });
}

/** Does a step, or none; shows what is then, and keeps what is trusted in the context. */
async function act(name: string | undefined, body: object): Promise<void> {
  const view = await withControlPlane((controlPlane) =>
    name === undefined
      ? viewOf(controlPlane)
      : controlPlane.call<AuthoritiesView>(`/v1/authorities/${name}`, { method: 'POST', body }),
  );
  const pem = view.authorities.map(({ certificate }) => `${certificate.trimEnd()}\n`).join('');
  const context = await keepCa(pem, chosenContext());
  console.log(textOf(view));
  if (context !== undefined) console.log(`context/${context} trusts this now`);
}

/** Waits until nothing hinders the next step. */
async function followed(
  controlPlane: ControlPlane,
  timeoutMs: number,
  leaveBehind: boolean,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const view = await viewOf(controlPlane);
    const hosts = leaveBehind || view.hostsBehind === 0;
    if (hosts && (view.phase !== 'switched' || view.renewed)) return;
    if (Date.now() > deadline)
      throw new CommandFailed(
        `not everything has followed within ${timeoutMs / 1_000} s:\n${textOf(view)}`,
        'hosts that are gone: hostward node revoke NAME; or --leave-behind',
      );
    await delay(POLL_MS);
  }
}

function viewOf(controlPlane: ControlPlane): Promise<AuthoritiesView> {
  return controlPlane.call<AuthoritiesView>('/v1/authorities');
}

const PHASES: Readonly<Record<AuthoritiesView['phase'], string>> = {
  settled: 'one CA',
  begun: 'the next CA is trusted, and signs nothing yet (then: ca switch)',
  switched: 'the next CA signs, the one before is still trusted (then: ca finish)',
};

function textOf(view: AuthoritiesView): string {
  const { phase, authorities, renewed, hostsCurrent, hostsBehind, behind } = view;
  const names = behind.slice(0, NAMES_SHOWN).join(', ');
  const more = hostsBehind > NAMES_SHOWN ? ', …' : '';
  return [
    PHASES[phase],
    ...authorities.flatMap(({ role, fingerprint, until }) => [
      `  ${role.padEnd(8)}  until ${until}`,
      `            ${fingerprint}`,
    ]),
    `hosts that follow: ${hostsCurrent}${hostsBehind === 0 ? '' : `, not yet: ${hostsBehind} (${names}${more})`}`,
    ...(renewed ? [] : ['certificates of the control plane are being renewed']),
  ].join('\n');
}

async function readIfNamed(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  return readFile(file, 'utf8').catch((error: Error) => {
    throw new CommandFailed(
      `cannot read ${file}: ${error.message}`,
      'name the PEM file of the CA by --cert, and of its key by --key',
    );
  });
}
