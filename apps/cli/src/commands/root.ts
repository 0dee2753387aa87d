import { readFile, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  type Author,
  type AuthorScope,
  type AuthoredKind,
  AUTHORED_KINDS,
  type PublicKey,
  type RootDocument,
  generateSigningKey,
  payloadTypes,
  rootPayload,
} from '#bundle';
import { CommandFailed, UsageError } from '../output/errors.js';
import { durationOf } from '../input/duration.js';
import { durationOption } from '../input/duration-option.js';
import { labelSelectorOf } from '../input/selector.js';
import { descriptorOf } from '../input/secret.js';
import { countOf } from '../input/count.js';
import { pathOf } from '../input/path.js';
import { outputFile, PUBLIC, tellOf, writeOutput } from '../output/output-file.js';
import {
  changed,
  draftAfter,
  lacking,
  readDraft,
  signedOf,
  writeDraft,
  type RootDraft,
} from '../keys/root-draft.js';
import { type SigningOptions, handsOf, publicKeyOf, signBytes } from '../keys/signing.js';
import { currentRoot, publishRoot } from '../keys/trust-client.js';

const EXAMPLES = `
Examples:
  hostward root show --save root.json
  hostward root add-author root.json --key alice
  hostward root set-mode root.json authored
  hostward root sign root.json --key-file DATA/control-plane/keys/root.key
  hostward root publish root.json
In this order they lead from managed to authored mode.
With several root keys each holder runs \`hostward root sign\` on the file;
version N+1 needs the signatures of the thresholds of N and of N+1.`;

export function registerRoot(program: Command): void {
  const root = program
    .command('root')
    .description('the root document: whom hosts believe (files, signed offline)')
    .addHelpText('after', EXAMPLES);
  registerInit(root);
  registerShow(root);
  registerAddAuthor(root);
  registerChanges(root);
  registerSign(root);
  registerOnlineKey(root);
}

function registerInit(root: Command): void {
  root
    .command('init')
    .argument('<file>', 'where the first root document goes', outputFile('FILE'))
    .requiredOption('--root-key <name...>', 'who may sign root documents')
    .requiredOption('--online-key <file>', 'key.json of the control plane: {"keyid", "key"}')
    .option('--threshold <n>', 'how many of them must', countOf('--threshold'), 1)
    .addOption(durationOption('--expires-in <duration>', 'how long it is valid', '3650d'))
    .description('a first root document, before a control plane is set up')
    .action(async (file: string, options: InitOptions) => {
      const keys = await Promise.all(options.rootKey.map(publicKeyOf));
      const document: RootDocument = {
        ...({ v: 1, version: 1, epoch: '1', mode: 'managed', authors: [] } as const),
        expiresAt: Date.now() + options.expiresIn,
        root: { threshold: options.threshold, keys },
        online: [await readPublicKey(options.onlineKey)],
      };
      rootPayload(document);
      await writeDraft(file, { v: 1, document, signatures: [] });
      tell(file, await readDraft(file));
    });
}

interface InitOptions {
  readonly rootKey: string[];
  readonly onlineKey: string;
  readonly threshold: number;
  readonly expiresIn: number;
}

function registerShow(root: Command): void {
  root
    .command('show')
    .argument('[file]', 'a file; by default what the control plane has in force')
    .option(
      '--save <file>',
      'keep it in a file, to make the next version from',
      outputFile('--save'),
    )
    .option('--json', 'the document as JSON')
    .description('show a root document')
    .action(async (file: string | undefined, options: { save?: string; json?: boolean }) => {
      const draft = file === undefined ? draftAfter(await currentRoot()) : await readDraft(file);
      const shown =
        file === undefined
          ? { ...draft.document, version: draft.document.version - 1 }
          : draft.document;
      console.log(options.json ? JSON.stringify(shown, null, 2) : describe(shown));
      if (options.save !== undefined) await writeDraft(options.save, draft);
      if (file !== undefined) tell(file, draft);
    });
}

function registerAddAuthor(root: Command): void {
  root
    .command('add-author')
    .argument('<file>')
    .requiredOption(
      '--key <name>',
      'a key of yours, or ssh-agent:COMMENT, or a file with {"keyid", "key"}',
    )
    .option('--documents <kinds>', `of ${AUTHORED_KINDS.join(', ')}; by default all`, kinds)
    .option(
      '--labels <labels>',
      'only for hosts with these signed labels',
      labelSelectorOf('no --labels', '--labels'),
    )
    .option('--sections <names>', 'only rules of these sections, e.g. file,process', words)
    .option('--tiers <names>', 'only policies of these tiers, e.g. normal', words)
    .description('let somebody sign policies, groups and labels')
    .action(async (file: string, { key, ...scope }: AuthorScope & { key: string }) => {
      const draft = await readDraft(file);
      const named = key.endsWith('.json') ? await readPublicKey(key) : await publicKeyOf(key);
      const author: Author = Object.keys(scope).length > 0 ? { ...named, scope } : named;
      const others = draft.document.authors.filter(({ keyid }) => keyid !== author.keyid);
      await save(file, changed(draft, { authors: [...others, author] }));
    });
}

function registerChanges(root: Command): void {
  root
    .command('set-mode')
    .argument('<file>')
    .argument('<mode>', 'managed or authored')
    .description('whether the control plane signs policies itself, or authors do')
    .action(async (file: string, mode: string) => {
      if (mode !== 'managed' && mode !== 'authored')
        throw new UsageError(`"${mode}" is neither managed nor authored`);
      await save(file, changed(await readDraft(file), { mode }));
    });
  root
    .command('rotate')
    .argument('<file>')
    .option('--add-root-key <name...>', 'another holder of the root')
    .option('--remove-root-key <keyid...>', 'one who is none any more')
    .option('--threshold <n>', 'how many root keys must sign', countOf('--threshold'))
    .option('--remove-author <keyid...>', 'an author who is none any more')
    .option(
      '--author-threshold <n>',
      'how many authors must sign a document',
      countOf('--author-threshold'),
    )
    .option(
      '--override-threshold <n>',
      'how many must sign an override of the control path',
      countOf('--override-threshold'),
    )
    .option('--add-online-key <file>', 'a key of the control plane: {"keyid", "key"}')
    .option('--remove-online-key <keyid...>', 'one that may have been stolen')
    .option('--new-epoch', 'hosts follow although generations begin anew')
    .option('--expires-in <duration>', 'how long it is valid from now', durationOf('--expires-in'))
    .description('change keys, thresholds, the epoch or the end')
    .action(async (file: string, options: RotateOptions) => {
      const draft = await readDraft(file);
      await save(file, changed(draft, await rotated(draft.document, options)));
    });
}

interface RotateOptions {
  readonly addRootKey?: string[];
  readonly removeRootKey?: string[];
  readonly threshold?: number;
  readonly removeAuthor?: string[];
  readonly authorThreshold?: number;
  readonly overrideThreshold?: number;
  readonly addOnlineKey?: string;
  readonly removeOnlineKey?: string[];
  readonly newEpoch?: boolean;
  readonly expiresIn?: number;
}

async function rotated(
  document: RootDocument,
  options: RotateOptions,
): Promise<Partial<RootDocument>> {
  const added = await Promise.all((options.addRootKey ?? []).map(publicKeyOf));
  const online =
    options.addOnlineKey === undefined ? [] : [await readPublicKey(options.addOnlineKey)];
  const { thresholds = { documents: 1, overrides: 1 } } = document;
  const documents = options.authorThreshold ?? thresholds.documents;
  const overrides = Math.max(documents, options.overrideThreshold ?? thresholds.overrides);
  const asked = options.authorThreshold ?? options.overrideThreshold;
  return {
    root: {
      threshold: options.threshold ?? document.root.threshold,
      keys: [...without(document.root.keys, options.removeRootKey), ...added],
    },
    authors: without(document.authors, options.removeAuthor),
    online: [...without(document.online, options.removeOnlineKey), ...online],
    ...(asked !== undefined && { thresholds: { documents, overrides } }),
    ...(options.newEpoch && { epoch: String(BigInt(document.epoch) + 1n) }),
    ...(options.expiresIn !== undefined && { expiresAt: Date.now() + options.expiresIn }),
  };
}

function without<T extends PublicKey>(
  keys: readonly T[],
  removed: readonly string[] = [],
): readonly T[] {
  const unknown = removed.find((id) => !keys.some(({ keyid }) => keyid === id));
  if (unknown !== undefined) throw new UsageError(`${unknown} is not among the keys`);
  return keys.filter(({ keyid }) => !removed.includes(keyid));
}

function registerSign(root: Command): void {
  root
    .command('sign')
    .argument('<file>')
    .option('--key <name...>', 'a root key of yours, or ssh-agent:COMMENT')
    .option('--key-file <path>', 'the root key that `up` made', pathOf('--key-file'))
    .option(
      '--passphrase-fd <n>',
      'read the passphrase from this descriptor',
      descriptorOf('--passphrase-fd'),
    )
    .option('--passphrase-file <file>', 'that of an encrypted --key-file, as for `up`')
    .description('add your signature; says how many are still needed')
    .action(async (file: string, options: SigningOptions) => {
      const draft = await readDraft(file);
      const hands = await handsOf(options);
      const payload = rootPayload(draft.document);
      const { signatures } = await signBytes(payloadTypes.root, payload, hands, draft.signatures);
      await save(file, { ...draft, signatures });
    });
  root
    .command('publish')
    .argument('<file>')
    .description('put it in force: hosts follow it')
    .action(async (file: string) => {
      const draft = await readDraft(file);
      const missing = lacking(draft);
      if (missing !== undefined)
        throw new CommandFailed(
          `${file} is not complete: ${missing}`,
          'collect signatures with hostward root sign',
        );
      const { version, epoch, mode } = await publishRoot(signedOf(draft));
      console.log(`root version ${version} is in force: epoch ${epoch}, ${mode} mode`);
    });
}

function registerOnlineKey(root: Command): void {
  root
    .command('online-key')
    .argument(
      '<file>',
      'where the private key goes; FILE.json gets its public part',
      outputFile('FILE', { isNew: true }),
    )
    .description('make a key for the control plane to sign with, e.g. in the place of a stolen one')
    .action(async (file: string) => {
      const { privateKey, keyid, key } = generateSigningKey();
      const shown = `${file}.json`;
      // The public part first: a private key whose public part cannot be written would be left alone.
      await writeOutput(shown, `${JSON.stringify({ keyid, key })}\n`, {
        mode: PUBLIC,
        isNew: true,
      });
      await writeOutput(file, `${privateKey}\n`, { isNew: true }).catch(async (error: unknown) => {
        await rm(shown);
        throw error;
      });
      console.log(`${file}: key ${keyid}; hostward root rotate FILE --add-online-key ${shown}`);
    });
}

async function save(file: string, draft: RootDraft): Promise<void> {
  await writeDraft(file, draft);
  tell(file, draft);
}

function tell(file: string, draft: RootDraft): void {
  const missing = lacking(draft);
  const state =
    missing === undefined ? 'complete: hostward root publish' : `not complete: ${missing}`;
  tellOf(
    file,
    `${file}: version ${draft.document.version}, ${draft.signatures.length} signatures, ${state}`,
  );
}

function describe(document: RootDocument): string {
  const { version, epoch, mode, expiresAt, root, authors, online, thresholds } = document;
  const line = ({ keyid }: PublicKey): string => `  ${keyid}`;
  const scopeOf = ({ scope }: Author): string => (scope ? ` ${JSON.stringify(scope)}` : '');
  return [
    `version ${version}, epoch ${epoch}, ${mode} mode, until ${new Date(expiresAt).toISOString()}`,
    `root keys, ${root.threshold} of ${root.keys.length} must sign:`,
    ...root.keys.map(line),
    `online keys:`,
    ...online.map(line),
    `authors, ${thresholds?.documents ?? 1} must sign, ${thresholds?.overrides ?? 1} for an override:`,
    ...authors.map((author) => line(author) + scopeOf(author)),
  ].join('\n');
}

async function readPublicKey(file: string): Promise<PublicKey> {
  try {
    const { keyid, key } = JSON.parse(await readFile(file, 'utf8')) as PublicKey;
    return { keyid, key };
  } catch (cause) {
    throw new CommandFailed(`${file} holds no public key`, 'hostward key show NAME prints one', {
      cause,
    });
  }
}

function kinds(text: string): readonly AuthoredKind[] {
  return words(text).map((word) => {
    const kind = AUTHORED_KINDS.find((each) => each === word);
    if (!kind) throw new UsageError(`"${word}" is not one of ${AUTHORED_KINDS.join(', ')}`);
    return kind;
  });
}

function words(text: string): readonly string[] {
  return text.split(',').map((word) => word.trim());
}
