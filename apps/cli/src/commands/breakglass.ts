import type { Command } from 'commander';
import type { SuspensionView } from '#contracts';
import { UsageError } from '../output/errors.js';
import { wantedEnd } from '../input/end-time.js';
import { segment } from '../input/names.js';
import { selectorOf } from '../input/selector.js';
import { withControlPlane } from '../client/session.js';

interface Options {
  readonly node?: string;
  readonly selector?: string;
  readonly all?: boolean;
  readonly mode?: string;
  readonly for?: string;
  readonly reason?: string;
  readonly end?: string;
}

const EXAMPLES = `
Examples:
  hostward breakglass --node web1 --mode audit --for 30m --reason "outage 4711"
  hostward breakglass --selector env=prod --mode off --for 1h --reason "4712"
  hostward get suspensions
  hostward breakglass --end ID
Without the control plane, as root on the host's console:
  hostward-sensor suspend --mode audit --for 30m --reason "outage 4711"`;

export function registerBreakglass(program: Command): void {
  program
    .command('breakglass')
    .option('--node <name>', 'one host')
    .option('--selector <labels>', 'the hosts with these labels', selectorOf('--all'))
    .option('--all', 'the whole fleet')
    .option('--mode <mode>', 'audit (log what would be blocked) or off')
    .option('--for <duration>', 'how long; it ends by itself')
    .option('--reason <text>', 'why; it is kept in the audit log')
    .option('--end <id>', 'end a suspension before its time')
    .description('stop enforcing for a stated time and reason')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) =>
      options.end === undefined ? suspend(options) : end(options.end),
    );
}

/** Makes a suspension of what the options name, and says how it ends. */
export async function suspend(options: Options): Promise<void> {
  const targets = [options.node, options.selector, options.all].filter(
    (target) => target !== undefined,
  );
  if (targets.length !== 1)
    throw new UsageError('name exactly one of --node, --selector and --all');
  if (options.mode !== 'audit' && options.mode !== 'off')
    throw new UsageError('--mode is audit or off');
  if (options.for === undefined || options.reason === undefined)
    throw new UsageError('--for and --reason are needed');
  const body = {
    target: { node: options.node, selector: options.selector, all: options.all },
    mode: options.mode,
    until: wantedEnd('--for', options.for),
    reason: options.reason,
  };
  const made = await withControlPlane((controlPlane) =>
    controlPlane.call<SuspensionView>('/v1/suspensions', { method: 'POST', body }),
  );
  console.log(`suspension/${made.id}: ${made.mode} until ${made.until}`);
  console.log(`\`hostward breakglass --end ${made.id}\` ends it before`);
}

async function end(id: string): Promise<void> {
  await withControlPlane((controlPlane) =>
    controlPlane.call(`/v1/suspensions/${segment(id)}`, { method: 'DELETE' }),
  );
  console.log(`suspension/${id} ended`);
}
