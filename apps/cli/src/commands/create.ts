import type { Command } from 'commander';
import { ATTESTATIONS, type AttestationKind, type JoinTokenView } from '#contracts';
import { durationOption } from '../input/duration-option.js';
import { parseLabels } from '../input/labels.js';
import { wordsOf } from '../input/selector.js';
import { countOf } from '../input/count.js';
import { oneOf } from '../output/print.js';
import { withControlPlane } from '../client/session.js';
import { registerCreatePeople } from './create-people.js';
import { hosts } from '../output/counted.js';

interface Options {
  readonly labels: Record<string, string>;
  readonly uses: number;
  readonly ttl: number;
  readonly cidr: readonly string[];
  readonly group: readonly string[];
  readonly node?: string;
  readonly attest?: AttestationKind;
  readonly output: string;
}

export function registerCreate(program: Command): void {
  const create = program
    .command('create')
    .description('create tokens and users')
    .addHelpText(
      'after',
      `
Examples:
  hostward create join-token --labels env=prod --uses 20
  hostward create user alice --role operator --selector team=a
  hostward create api-token ci --role author --ttl 30d`,
    );
  registerCreatePeople(create);
  create
    .command('join-token')
    .option('--labels <labels>', 'labels that hosts get which join by it', parseLabels, {})
    .option('--uses <n>', 'how many hosts may join by it', countOf('--uses'), 1)
    .addOption(durationOption('--ttl <duration>', 'how long it is valid', '1h'))
    .option(
      '--cidr <networks>',
      'from which networks hosts may join by it',
      wordsOf('--cidr', '10.0.0.0/8'),
      [],
    )
    .option(
      '--group <groups>',
      'groups that must select each such host',
      wordsOf('--group', 'webservers'),
      [],
    )
    .option('--node <name>', 'the one name under which a host may join by it')
    .option(
      '--attest <proof>',
      'what a host must prove: ssh-host-key, of the key declared for its name',
      oneOf('--attest', ...ATTESTATIONS),
    )
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
  hostward create join-token --labels tier=web --group webservers
  hostward create join-token --cidr 10.0.0.0/8 --attest ssh-host-key
  hostward create join-token -o name > token
Then, on the host, with URL and CA fingerprint in /etc/hostward/agent.yaml:
  hostward-agent enroll --name=web1 --token-file=token \\
    --config=/etc/hostward/agent.yaml`,
    )
    .action(async (options: Options) => {
      const { labels, uses, ttl: ttlMs, cidr: cidrs, group: groups, attest, node } = options;
      const body = { labels, uses, ttlMs, cidrs, groups, attest, node };
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
