import type { Command } from 'commander';
import { payloadTypes, rootPayload } from '#bundle';
import { CommandFailed } from '../output/errors.js';
import { descriptorOf } from '../input/secret.js';
import { pathOf } from '../input/path.js';
import {
  changed,
  draftAfter,
  lacking,
  readDraft,
  signedOf,
  writeDraft,
} from '../keys/root-draft.js';
import { rootHandsOf } from '../keys/root-key-of-up.js';
import { type SigningOptions, signBytes } from '../keys/signing.js';
import { currentRoot, publishRoot, trustInForce } from '../keys/trust-client.js';
import { outputFile, tellOf } from '../output/output-file.js';
import { chosenContext } from '../client/session.js';

interface Options extends SigningOptions {
  readonly root?: string;
  readonly draft?: string;
  readonly yes?: boolean;
}

const EXAMPLES = `
After etcd was restored from a snapshot, hosts have seen later generations than
the control plane: it stops publishing (/readyz: restore) and hosts keep what
they enforce. Two ways out:
 1. restore again so that revisions go on (nothing else is needed then):
      etcdutl snapshot restore FILE --bump-revision 1000000000 --mark-compacted
 2. keep the restored etcd and open a new epoch, which this command does:
      hostward recover --yes
    In authored mode, or where the root keys are elsewhere, offline:
      hostward recover --draft epoch.json
      hostward root sign epoch.json --key alice    (each holder)
      hostward recover --root epoch.json --yes
What was changed after the snapshot is lost in either case: apply it again. In
authored mode sign it again (hostward sign), so that versions lie above those
that hosts have seen.

Examples:
  hostward recover --yes
  hostward recover --yes --passphrase-file ~/.hostward-passphrase`;

export function registerRecover(program: Command): void {
  program
    .command('recover')
    .option(
      '--draft <file>',
      'write the new epoch to a file, to be signed offline',
      outputFile('--draft'),
    )
    .option('--root <file>', 'the new epoch, signed')
    .option('--key <name...>', 'a root key of yours, or ssh-agent:COMMENT')
    .option(
      '--key-file <path>',
      'the root key that `up` made; found by itself on its machine',
      pathOf('--key-file'),
    )
    .option(
      '--passphrase-fd <n>',
      'read the passphrase from this descriptor',
      descriptorOf('--passphrase-fd'),
    )
    .option('--passphrase-file <file>', 'that of an encrypted --key-file, as for `up`')
    .option('--yes', 'open the new epoch')
    .description('lead the fleet on after etcd was restored')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => recover(options));
}

async function recover(options: Options): Promise<void> {
  const trust = await trustInForce();
  if (options.draft === undefined && !options.yes) {
    console.log(`epoch ${trust.epoch}, root version ${trust.version}, ${trust.mode} mode`);
    console.log(EXAMPLES.trim());
    return;
  }
  const draft = options.root === undefined ? await newEpoch() : await readDraft(options.root);
  if (options.draft !== undefined) {
    await writeDraft(options.draft, draft);
    const next = 'sign it with hostward root sign';
    tellOf(options.draft, `${options.draft}: epoch ${draft.document.epoch}; ${next}`);
    return;
  }
  const signed = options.root === undefined ? await signedHere(draft, options) : draft;
  const missing = lacking(signed);
  if (missing !== undefined)
    throw new CommandFailed(
      `the new epoch is not complete: ${missing}`,
      'use --draft, and let the root key holders sign',
    );
  const { version, epoch } = await publishRoot(signedOf(signed));
  console.log(
    `epoch ${epoch} is open (root version ${version}): hosts follow as they fetch. Those that refuse it know a later root document, of after the backup (root-rollback, root-mismatch in hostward doctor): do the same once more`,
  );
}

async function newEpoch() {
  const draft = draftAfter(await currentRoot());
  return changed(draft, { epoch: String(BigInt(draft.document.epoch) + 1n) });
}

async function signedHere(draft: Awaited<ReturnType<typeof newEpoch>>, options: Options) {
  const hands = await rootHandsOf(options, chosenContext());
  const payload = rootPayload(draft.document);
  const { signatures } = await signBytes(payloadTypes.root, payload, hands);
  return { ...draft, signatures };
}
