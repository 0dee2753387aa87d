import type { Command } from 'commander';
import type { Alert, AlertPage } from '#contracts';
import { VISIBILITY_CLASSES } from '#policy-model';
import type { ControlPlane } from '../client/control-plane.js';
import { resumedEvents } from '../client/resumed-events.js';
import { UsageError } from '../output/errors.js';
import { pastTime } from '../input/past-time.js';
import { alertLine } from '../output/alert-line.js';
import { withControlPlane } from '../client/session.js';

interface Options {
  readonly follow?: boolean;
  readonly node?: string;
  readonly policy?: string;
  readonly since?: string;
  readonly observed?: boolean;
  readonly class?: string;
  readonly json?: boolean;
  readonly limit: number;
}

type Query = Readonly<Record<string, string | undefined>>;

/** The most that the control plane gives at once. */
const PAGE = 1_000;

export function registerLogs(program: Command): void {
  program
    .command('logs')
    .option('-f, --follow', 'go on as alerts come, over lost connections, until interrupted')
    .option('--node <name>', 'alerts of one host')
    .option('--policy <name>', 'alerts of one policy')
    .option('--observed', 'what hosts only watched; a label of theirs says what')
    .option('--class <name>', `with --observed: ${VISIBILITY_CLASSES.join(', ')}`)
    .option('--since <time>', 'an ISO time, or a duration before now (2h)')
    .option('--limit <n>', 'how many old ones at most', atLeastOne, 100)
    .option('--json', 'one JSON object a line, with every field')
    .description('what was blocked, and what happened to the enforcement of hosts, oldest first')
    .addHelpText(
      'after',
      `
Examples:
  hostward logs -f --policy block-sleep
  hostward logs --node web1 --since 1h --json
  hostward label node web1 visibility.hostward.io/network=on
  hostward logs -f --node web1 --observed --class network`,
    )
    .action((options: Options) => withControlPlane((controlPlane) => logs(controlPlane, options)));
}

async function logs(controlPlane: ControlPlane, options: Options): Promise<void> {
  const query = { node: options.node, ...kindOf(options) };
  const since =
    options.since === undefined ? undefined : pastTime('--since', options.since, Date.now());
  const { items, lastEventId } = await newest(controlPlane, { ...query, since }, options.limit);
  items.reverse().forEach((alert) => print(alert, options.json));
  if (options.follow) await follow(controlPlane, query, lastEventId, options.json);
}

/** What was watched has its class where an alert has its policy. */
function kindOf({ observed, class: name, policy }: Options): Query {
  if (!observed && name !== undefined) throw new UsageError('--class goes with --observed');
  if (!observed) return { policy };
  if (policy !== undefined) throw new UsageError('--policy does not go with --observed');
  if (name !== undefined && !VISIBILITY_CLASSES.some((each) => each === name))
    throw new UsageError(`--class "${name}" is none of ${VISIBILITY_CLASSES.join(', ')}`);
  return { kind: 'observed', policy: name === undefined ? undefined : `visibility/${name}` };
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
): Promise<void> {
  const events = resumedEvents(controlPlane, '/v1/alerts/stream', query, lastEventId);
  for await (const event of events) {
    if (event === 'opened') continue;
    if (event.event === 'alert') print(JSON.parse(event.data) as Alert, json);
    if (event.event === 'reset')
      console.error(
        'hostward: these alerts are of another store: what came before is shown by logs without -f',
      );
  }
}

function print(alert: Alert, json: boolean | undefined): void {
  console.log(json ? JSON.stringify(alert) : alertLine(alert));
}
