import { env } from 'node:process';
import type { Command } from 'commander';
import { agentKeys } from '../keys/ssh-agent.js';
import { createKey, listKeys, showKey } from '../keys/key-file.js';
import { descriptorOf } from '../input/secret.js';
import { newPassphrase } from '../keys/passphrase.js';

const EXAMPLES = `
Examples:
  hostward key create alice
  hostward key create alice --passphrase-fd 3 3<passphrase.txt
  hostward key list
Keys stay on this machine, encrypted under their passphrase; what a key may
sign is said by the root document (hostward root add-author).`;

export function registerKey(program: Command): void {
  const key = program
    .command('key')
    .description('keys by which people sign documents (authored mode) and root documents')
    .addHelpText('after', EXAMPLES);
  key
    .command('create')
    .argument('<name>')
    .option(
      '--passphrase-fd <n>',
      'read the passphrase from this descriptor',
      descriptorOf('--passphrase-fd'),
    )
    .description('make an Ed25519 key, encrypted under a passphrase')
    .action(async (name: string, options: { passphraseFd?: number }) => {
      const secret = await newPassphrase(name, options.passphraseFd);
      const made = await createKey(name, secret);
      console.log(`${made.name} ${made.keyid}`);
    });
  key
    .command('list')
    .description('keys of this user, and the Ed25519 keys of the ssh-agent if one runs')
    .action(async () => {
      for (const { name, keyid } of await listKeys()) console.log(`${name} ${keyid}`);
      if (!env['SSH_AUTH_SOCK']) return;
      for (const { comment, keyid } of await agentKeys())
        console.log(`ssh-agent:${comment} ${keyid}`);
    });
  key
    .command('show')
    .argument('<name>')
    .description('the public part of a key, as root documents name it')
    .action(async (name: string) => {
      const { keyid, key: raw } = await showKey(name);
      console.log(JSON.stringify({ keyid, key: raw }, null, 2));
    });
}
