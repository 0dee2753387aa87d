import type { Command } from 'commander';
import type { JoinTokenView } from '#contracts';
import { UsageError } from '../errors.js';
import { parseDuration } from '../input/duration.js';
import { parseLabels } from '../input/labels.js';
import { oneOf } from '../output/print.js';
import { withControlPlane } from './session.js';
import { hosts } from './wait.js';

interface Options {
  readonly labels: Record<string, string>;
  readonly uses: number;
  readonly ttl: number;
  readonly output: string;
}

export function registerCreate(program: Command): void {
  const create = program
    .command('create')
    .description('create tokens')
    .addHelpText('after', '\nExample:\n  hostward create join-token --labels env=prod --uses 20');
  create
    .command('join-token')
    .option('--labels <labels>', 'labels that hosts get which join by it', parseLabels, {})
    .option('--uses <n>', 'how many hosts may join by it', positive, 1)
    .option('--ttl <duration>', 'how long it is valid', parseDuration, 3_600_000)
    .option(
      '-o, --output <format>',
      'text, json or name (the token alone)',
      oneOf('-o', 'text', 'json', 'name'),
      'text',
    )
    .description('a token by which hosts join; shown once')
    .addHelpText(
      'after',
      `
Examples:
  hostward create join-token --labels env=prod,tier=web --uses 20 --ttl 2h
  hostward create join-token -o name > token
Then, on the host, with URL and CA fingerprint in /etc/hostward/agent.yaml:
  hostward-agent enroll --name=web1 --token-file=token \\
    --config=/etc/hostward/agent.yaml`,
    )
    .action(async (options: Options) => {
      const body = { labels: options.labels, uses: options.uses, ttlMs: options.ttl };
      const made = await withControlPlane((controlPlane) =>
        controlPlane.call<JoinTokenView>('/v1/join-tokens', { method: 'POST', body }),
      );
      if (options.output === 'json') return console.log(JSON.stringify(made, null, 2));
      if (options.output === 'name') return console.log(made.token);
      console.log(`${made.token ?? ''}\n`);
      console.log(
        `id ${made.id}, for ${hosts(made.uses)}, until ${made.expiresAt}. It is not shown again.`,
      );
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`"${text}" is not a positive whole number`);
  return value;
}
