import { expect, it } from '@jest/globals';
import { Command } from 'commander';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { registerBackup } from '../../../apps/cli/src/commands/backup.js';
import { registerBench } from './bench.js';
import { registerBundle } from '../../../apps/cli/src/commands/bundle.js';
import { registerExport } from '../../../apps/cli/src/commands/export.js';
import { registerRecover } from '../../../apps/cli/src/commands/recover.js';
import { registerRedirect } from '../../../apps/cli/src/commands/redirect.js';
import { registerRoot } from '../../../apps/cli/src/commands/root.js';
import { registerSbom } from './sbom.js';
import { registerSign } from '../../../apps/cli/src/commands/sign.js';

// Who breaks it asks no control plane of whoever runs it.
process.env['XDG_CONFIG_HOME'] = '/nonexistent';

const FILE = '/nonexistent/folder/file';

function refusal(words: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride();
  for (const register of [
    ...[registerBackup, registerBench, registerBundle, registerExport, registerRecover],
    ...[registerRedirect, registerRoot, registerSbom, registerSign],
  ])
    register(program);
  return program.parseAsync(words, { from: 'user' }).catch((error: unknown) => error);
}

it.each([
  ['backup --out', '--out'],
  ['bench fleet --record', '--record'],
  ['bundle export --node web1 -o', '-o'],
  ['export -o', '-o'],
  ['recover --draft', '--draft'],
  ['redirect --all --reason r --to https://new:7443 --ca-fingerprint a --draft', '--draft'],
  ['root init --root-key a --online-key b', 'FILE'],
  ['root online-key', 'FILE'],
  ['root show --save', '--save'],
  ['sbom --output', '--output'],
  ['sign -f p.yaml --key a -o', '-o'],
])('`%s FILE` says that its folder is not there before it does anything', async (words, named) => {
  const error = await refusal([...words.split(' '), FILE]);
  expect(error).toEqual(
    new CommandFailed(
      `${named} "${FILE}" cannot be written: the folder /nonexistent/folder is not there`,
    ),
  );
  expect(error).toMatchObject({
    remedy: 'make it by `mkdir -p /nonexistent/folder`, or name another file',
  });
});
