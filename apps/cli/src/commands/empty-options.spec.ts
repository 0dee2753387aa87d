import { describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { UsageError } from '../output/errors.js';
import { registerApply } from './apply.js';
import { registerBreakglass } from './breakglass.js';
import { registerCreate } from './create.js';
import { registerDiff } from './diff.js';
import { registerException } from './exception.js';
import { registerGet } from './get.js';
import { registerRedirect } from './redirect.js';
import { registerRoot } from './root.js';
import { registerSign } from './sign.js';
import { registerValidate } from './validate.js';

// Who breaks it asks no control plane of whoever runs it.
process.env['XDG_CONFIG_HOME'] = '/nonexistent';

/** What a call is refused for, before it asks a control plane. */
function refusal(words: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride();
  for (const register of [
    ...[registerApply, registerBreakglass, registerCreate, registerDiff, registerException],
    ...[registerGet, registerRedirect, registerRoot, registerSign, registerValidate],
  ])
    register(program);
  return program.parseAsync(words, { from: 'user' }).catch((error: unknown) => error);
}

const SHA = 'a'.repeat(64);
const REDIRECT = `redirect --to https://new:7443 --ca-fingerprint ${SHA} --reason x --selector`;

describe('an option that is empty, as of a variable that is not set', () => {
  it.each([
    [REDIRECT, '--selector is empty: write labels, e.g. env=prod, or --all for every host'],
    ['breakglass --mode off --for 1h --reason x --selector', 'or --all for every host'],
    ['sign --suspend off --for 1h --reason x --selector', 'or --all for every host'],
    ['apply -f p.yaml --selector', 'or --all-hosts for every host'],
    ['validate -f p.yaml --selector', 'or --all-hosts for every host'],
    ['diff -f p.yaml --selector', 'or --all-hosts for every host'],
    ['get nodes -l', 'or no --selector for every host'],
    ['create user bob --role viewer --selector', 'or no --selector for every host'],
    ['create api-token ci --role viewer --selector', 'or no --selector for every host'],
    ['exception add p --until 2h --reason x --selector', '--selector is empty: write labels'],
    ['root add-author root.json --key k --labels', '--labels is empty: write labels'],
    ['create join-token --cidr', '--cidr is empty: write it as 10.0.0.0/8, or leave it out'],
    ['create join-token --group', '--group is empty: write it as webservers, or leave it out'],
  ])('chooses nobody, and says what to write: %s ""', async (words, message) => {
    for (const empty of ['', ' ', ',']) {
      const error = await refusal([...words.split(' '), empty]);
      expect(error).toBeInstanceOf(UsageError);
      expect((error as UsageError).message).toContain(message);
    }
  });

  it('leaves the other of two of them', async () => {
    const error = await refusal(['create', 'join-token', '--cidr', '10.0.0.0/8', '--cidr', '']);
    expect(error).toBeInstanceOf(UsageError);
  });
});

it('a selector and all hosts are not asked for together', async () => {
  const words = ['validate', '-f', '/dev/null', '--selector', 'env=prod', '--all-hosts'];
  expect(await refusal(words)).toEqual(new UsageError('name one of --selector and --all-hosts'));
});
