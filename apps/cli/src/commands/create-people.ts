import type { Command } from 'commander';
import { ROLES, type ApiTokenView, type Role, type UserView } from '#contracts';
import { UsageError } from '../output/errors.js';
import { durationOption } from '../input/duration-option.js';
import { descriptorOf, readSecret } from '../input/secret.js';
import { selectorOf } from '../input/selector.js';
import { oneOf } from '../output/print.js';
import { withControlPlane } from '../client/session.js';

interface Grant {
  readonly role: readonly Role[];
  readonly selector?: string;
}

/** `create user` and `create api-token`. */
export function registerCreatePeople(create: Command): void {
  create
    .command('user')
    .argument('<name>')
    .requiredOption('--role <roles>', `one or more of ${ROLES.join(', ')}`, parseRoles)
    .option(
      '--selector <selector>',
      'the hosts they see and touch; default: all',
      selectorOf('no --selector'),
    )
    .option('--secret-fd <n>', 'read the secret from this descriptor', descriptorOf('--secret-fd'))
    .description('a person who logs in by a secret, which is asked for')
    .addHelpText(
      'after',
      `
Examples:
  hostward create user alice --role operator,author --selector team=a
  hostward create user bob --role viewer --secret-fd 3 3< secret-file`,
    )
    .action(createUser);
  create
    .command('api-token')
    .argument('<name>', 'what it is for')
    .requiredOption('--role <roles>', `one or more of ${ROLES.join(', ')}`, parseRoles)
    .option(
      '--selector <selector>',
      'the hosts it sees and touches; default: all',
      selectorOf('no --selector'),
    )
    .addOption(durationOption('--ttl <duration>', 'how long it is valid', '90d'))
    .option(
      '-o, --output <format>',
      'text, json or name (the token alone)',
      oneOf('-o', 'text', 'json', 'name'),
      'text',
    )
    .description('a token for a program; shown once')
    .addHelpText(
      'after',
      '\nExample:\n  hostward create api-token ci --role author --ttl 30d -o name',
    )
    .action(createApiToken);
}

async function createUser(name: string, options: Grant & { secretFd?: number }): Promise<void> {
  const secret = await readSecret(`secret for ${name}: `, options.secretFd);
  const body = { name, roles: options.role, selector: options.selector, secret };
  const made = await withControlPlane((controlPlane) =>
    controlPlane.call<UserView>('/v1/users', { method: 'POST', body }),
  );
  console.log(`user/${made.name} created: ${made.roles.join(', ')} on ${hostsOf(made)}`);
}

async function createApiToken(
  name: string,
  options: Grant & { ttl: number; output: string },
): Promise<void> {
  const body = { name, roles: options.role, selector: options.selector, ttlMs: options.ttl };
  const made = await withControlPlane((controlPlane) =>
    controlPlane.call<ApiTokenView>('/v1/api-tokens', { method: 'POST', body }),
  );
  if (options.output === 'json') return console.log(JSON.stringify(made, null, 2));
  console.log(made.token);
  if (options.output === 'name') return;
  console.log(
    `\nid ${made.id}: ${made.roles.join(', ')} on ${hostsOf(made)}, until ${made.expiresAt}. It is not shown again.`,
  );
}

function hostsOf({ selector }: { readonly selector?: string }): string {
  return selector === undefined ? 'all hosts' : `hosts with ${selector}`;
}

function parseRoles(text: string): Role[] {
  return text.split(',').map((word) => {
    const role = ROLES.find((known) => known === word.trim());
    if (role !== undefined) return role;
    throw new UsageError(`"${word}" is not a role: use ${ROLES.join(', ')}`);
  });
}
