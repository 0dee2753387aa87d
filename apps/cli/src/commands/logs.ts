import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Alert } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../errors.js';
import { tone } from '../output/style.js';
import { withControlPlane } from './session.js';

interface Options {
  readonly follow?: boolean;
  readonly node?: string;
  readonly policy?: string;
  readonly json?: boolean;
  readonly limit: string;
}

const RECONNECT_MS = 1_000;
const RECONNECT_ATTEMPTS = 60;

export function registerLogs(program: Command): void {
  program
    .command('logs')
    .option('-f, --follow', 'go on as alerts come, over lost connections')
    .option('--node <name>', 'alerts of one host')
    .option('--policy <name>', 'alerts of one policy')
    .option('--limit <n>', 'how many old ones at most', '100')
    .option('--json', 'one JSON object a line')
    .description('what was blocked')
    .addHelpText('after', '\nExample:\n  hostward logs -f --policy block-sleep')
    .action((options: Options) => withControlPlane((controlPlane) => logs(controlPlane, options)));
}

async function logs(controlPlane: ControlPlane, options: Options): Promise<void> {
  const query = { node: options.node, policy: options.policy };
  const old = await controlPlane.call<{ items: Alert[]; lastEventId?: string }>('/v1/alerts', {
    query: { ...query, limit: options.limit },
  });
  [...old.items].reverse().forEach((alert) => print(alert, options.json));
  if (options.follow) await follow(controlPlane, query, old.lastEventId, options.json);
}

async function follow(
  controlPlane: ControlPlane,
  query: Record<string, string | undefined>,
  lastEventId: string | undefined,
  json: boolean | undefined,
): Promise<void> {
  let last = lastEventId;
  for (let failures = 0; failures < RECONNECT_ATTEMPTS; failures++) {
    try {
      for await (const event of controlPlane.events('/v1/alerts/stream', query, last)) {
        failures = 0;
        last = event.id ?? last;
        print(JSON.parse(event.data) as Alert, json);
      }
    } catch (error) {
      console.error(
        `hostward: the stream was cut (${error instanceof Error ? error.message : String(error)}), resuming`,
      );
    }
    await delay(RECONNECT_MS);
  }
  throw new CommandFailed(`the stream could not be resumed ${RECONNECT_ATTEMPTS} times in a row`);
}

function print(alert: Alert, json: boolean | undefined): void {
  if (json) return console.log(JSON.stringify(alert));
  const action = alert.Action === 'Block' ? tone('BLOCK', 'red') : alert.Action.toUpperCase();
  const rule =
    alert.RuleID === undefined ? alert.PolicyName : `${alert.PolicyName} ${alert.RuleID}`;
  const more = alert.Suppressed > 0 ? ` (+${alert.Suppressed} alike)` : '';
  console.log(
    `${alert.UpdatedTime} ${alert.Node} ${action} ${alert.Operation} ${alert.Resource} by ${alert.Source} [${rule}] ${alert.Result}${more}`,
  );
}
