import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Alert, AlertPage } from '#contracts';
import { isPassing, type ControlPlane } from '../client/control-plane.js';
import { UsageError } from '../errors.js';
import { pastTime } from '../input/past-time.js';
import { printable } from '../output/printable.js';
import { tone } from '../output/style.js';
import { withControlPlane } from './session.js';

interface Options {
  readonly follow?: boolean;
  readonly node?: string;
  readonly policy?: string;
  readonly since?: string;
  readonly json?: boolean;
  readonly limit: number;
}

type Query = Readonly<Record<string, string | undefined>>;

/** The most that the control plane gives at once. */
const PAGE = 1_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

export function registerLogs(program: Command): void {
  program
    .command('logs')
    .option('-f, --follow', 'go on as alerts come, over lost connections, until interrupted')
    .option('--node <name>', 'alerts of one host')
    .option('--policy <name>', 'alerts of one policy')
    .option('--since <time>', 'an ISO time, or a duration before now (2h)')
    .option('--limit <n>', 'how many old ones at most', atLeastOne, 100)
    .option('--json', 'one JSON object a line, with every field')
    .description('what was blocked, and what happened to the enforcement of hosts, oldest first')
    .addHelpText(
      'after',
      `
Examples:
  hostward logs -f --policy block-sleep
  hostward logs --node web1 --since 1h --json`,
    )
    .action((options: Options) => withControlPlane((controlPlane) => logs(controlPlane, options)));
}

async function logs(controlPlane: ControlPlane, options: Options): Promise<void> {
  const query = { node: options.node, policy: options.policy };
  const since = options.since === undefined ? undefined : pastTime(options.since, Date.now());
  const { items, lastEventId } = await newest(controlPlane, { ...query, since }, options.limit);
  items.reverse().forEach((alert) => print(alert, options.json));
  if (options.follow) await follow(controlPlane, query, lastEventId, options.json);
}

function atLeastOne(text: string): number {
  if (/^[1-9][0-9]{0,6}$/.test(text)) return Number(text);
  throw new UsageError(`--limit "${text}" is not a number from 1 to 9999999`);
}

interface Newest {
  readonly items: Alert[];
  readonly lastEventId: string;
}

/** The newest alerts, newest first, page by page; the stream goes on after those of the first page. */
async function newest(controlPlane: ControlPlane, query: Query, limit: number): Promise<Newest> {
  const items: Alert[] = [];
  let lastEventId: string | undefined;
  let cursor: string | undefined;
  do {
    const size = String(Math.min(PAGE, limit - items.length));
    const page = await controlPlane.call<AlertPage>('/v1/alerts', {
      query: { ...query, limit: size, cursor },
    });
    items.push(...page.items);
    lastEventId ??= page.lastEventId;
    cursor = page.next;
  } while (cursor !== undefined && items.length < limit);
  return { items, lastEventId };
}

/** Never returns: a stream that was cut is resumed after the last alert that was printed. */
async function follow(
  controlPlane: ControlPlane,
  query: Query,
  lastEventId: string,
  json: boolean | undefined,
): Promise<never> {
  let last = lastEventId;
  let pauseMs = FIRST_PAUSE_MS;
  let away = false;
  const onOpen = (): void => {
    pauseMs = FIRST_PAUSE_MS;
    if (away) console.error('hostward: the stream is back');
    away = false;
  };
  for (;;) {
    try {
      const from = { lastEventId: last, onOpen };
      for await (const event of controlPlane.events('/v1/alerts/stream', query, from)) {
        last = event.id ?? last;
        if (event.event === 'alert') print(JSON.parse(event.data) as Alert, json);
      }
    } catch (error) {
      if (!mayComeBack(error)) throw error;
    }
    if (!away)
      console.error('hostward: the stream was cut, resuming when the control plane is back');
    away = true;
    await delay(pauseMs * (0.5 + Math.random() / 2));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** A cut in the middle of an answer is an error of its own, not one of the client. */
function mayComeBack(error: unknown): boolean {
  return isPassing(error) || (error instanceof Error && 'code' in error);
}

function print(alert: Alert, json: boolean | undefined): void {
  if (json) return console.log(JSON.stringify(alert));
  const where = `${alert.UpdatedTime} ${printable(alert.Node)}`;
  // Nothing was blocked: the host tells of its own enforcement (suspended, resumed, fallback, drift, lost).
  if (alert.Type === 'SystemEvent')
    return console.log(
      `${where} ${tone('HOST', 'yellow')} ${printable(alert.Message ?? alert.Data)}`,
    );
  const action = alert.Action === 'Block' ? tone('BLOCK', 'red') : alert.Action.toUpperCase();
  const rule =
    alert.RuleID === undefined ? alert.PolicyName : `${alert.PolicyName} ${alert.RuleID}`;
  const more = alert.Suppressed > 0 ? ` (+${alert.Suppressed} alike)` : '';
  const what = `${alert.Operation} ${printable(alert.Resource)} by ${printable(alert.Source)}`;
  console.log(`${where} ${action} ${what} [${printable(rule)}] ${alert.Result}${more}`);
}
