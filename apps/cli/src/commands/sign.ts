import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import {
  type AuthoredDocument,
  type SignedDocument,
  authoredPayload,
  payloadTypes,
  type SuspensionTarget,
} from '#bundle';
import type { NodeView } from '#contracts';
import type { Document } from '#policy-model';
import { CommandFailed, UsageError } from '../output/errors.js';
import { durationOf } from '../input/duration.js';
import { readInputs } from '../input/files.js';
import { labelSelectorOf } from '../input/selector.js';
import { segment } from '../input/names.js';
import { descriptorOf } from '../input/secret.js';
import { KnownHosts, pinOf } from '../keys/known-hosts.js';
import { type Hand, type SigningOptions, handsOf, signBytes } from '../keys/signing.js';
import { parseSignedSet } from '../keys/signed-set.js';
import { outputFile, PUBLIC, tellOf, writeOutput } from '../output/output-file.js';
import { oneOf } from '../output/print.js';
import { acceptedDocuments } from './documents.js';
import { withControlPlane } from '../client/session.js';

interface Options extends SigningOptions {
  readonly file?: string[];
  readonly add?: string;
  readonly delete?: string[];
  readonly suspend?: 'audit' | 'off';
  readonly resume?: boolean;
  readonly for?: number;
  readonly reason?: string;
  readonly node?: string;
  readonly selector?: Record<string, string>;
  readonly all?: boolean;
  readonly output: string;
  readonly offline?: boolean;
}

type Versions = Readonly<Record<string, Readonly<Record<string, number>>>>;

const EXAMPLES = `
Examples:
  hostward sign -f policies/ --key alice -o signed.json
  hostward sign --add signed.json --key bob -o signed.json
  hostward sign --delete policy/block-sleep --key ssh-agent:alice@laptop
  hostward sign --suspend audit --for 30m --reason R --all --key alice
  hostward apply -f signed.json
Of a KubeArmorVirtualMachine its labels are signed, for the host of that name as
the control plane knows it: compare the node id that is printed.`;

export function registerSign(program: Command): void {
  program
    .command('sign')
    .option('-f, --file <path...>', 'documents, folders, or - for standard input')
    .option('--delete <kind/name...>', 'sign a deletion: policy/NAME or group/NAME')
    .option('--suspend <mode>', 'break-glass: audit or off', oneOf('--suspend', 'audit', 'off'))
    .option('--resume', 'end such a suspension of the same hosts')
    .option('--for <duration>', 'how long, e.g. 30m', durationOf('--for'))
    .option('--reason <text>', 'why')
    .option('--node <name>', 'this host')
    .option('--selector <labels>', 'hosts with these signed labels', labelSelectorOf('--all'))
    .option('--all', 'every host')
    .option('--add <file>', 'add a signature to what another author has signed')
    .option('--key <name...>', 'who signs: a key of `hostward key list`, or ssh-agent:COMMENT')
    .option(
      '--passphrase-fd <n>',
      'read the passphrase from this descriptor',
      descriptorOf('--passphrase-fd'),
    )
    .option(
      '--offline',
      'ask no control plane: versions are the time, and hosts cannot be labelled',
    )
    .option('-o, --output <file>', 'where the signed documents go', outputFile('-o'), 'signed.json')
    .description('sign documents as their author; `apply` sends them (authored mode)')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => sign(options));
}

async function sign(options: Options): Promise<void> {
  const { file, add, delete: ends, suspend, resume } = options;
  if ([file, add, ends, suspend, resume].every((each) => each === undefined))
    throw new UsageError('nothing to sign: add -f, --delete, --suspend, --resume or --add');
  const hands = await handsOf(options);
  const signed = [...(await cosigned(options, hands)), ...(await fresh(options, hands))];
  const text = `${JSON.stringify({ v: 1, signed }, null, 2)}\n`;
  await writeOutput(options.output, text, { mode: PUBLIC });
  const count = signed.length === 1 ? '1 document' : `${signed.length} documents`;
  const next = `send it with hostward apply -f ${options.output}`;
  tellOf(options.output, `${options.output}: ${count}; ${next}`);
}

async function cosigned(
  { add }: Options,
  hands: readonly Hand[],
): Promise<readonly SignedDocument[]> {
  if (add === undefined) return [];
  const [file] = await readInputs([add]);
  const set = parseSignedSet(file?.text ?? '');
  if (!set)
    throw new CommandFailed(`${add} holds no signed documents`, 'make one with hostward sign -f');
  const again = set.map(({ payloadType, payload, signatures }) =>
    signBytes(payloadType, Buffer.from(payload, 'base64'), hands, signatures),
  );
  return Promise.all(again);
}

async function fresh(options: Options, hands: readonly Hand[]): Promise<readonly SignedDocument[]> {
  const { file, delete: ends = [] } = options;
  const documents = file ? acceptedDocuments(await readInputs(file), {}) : [];
  const brakes = options.suspend !== undefined || options.resume === true;
  if (documents.length === 0 && ends.length === 0 && !brakes) return [];
  const versions = await versionsOf(options);
  const made: AuthoredDocument[] = ends.map((end) => deletionOf(end, versions));
  for (const { document } of documents)
    if (document.document) made.push(await authoredOf(document.document, versions, options));
  if (brakes) made.push(await suspensionOf(options, versions));
  const signed = made.map((each) =>
    signBytes(payloadTypes[each.kind], authoredPayload(each), hands),
  );
  return Promise.all(signed);
}

function versionsOf({ offline }: Options): Promise<Versions> {
  if (offline) return Promise.resolve({});
  return withControlPlane((controlPlane) => controlPlane.call<Versions>('/v1/signed-documents'));
}

/** Above what the control plane knows and, by the clock, above what a host may have seen before a restore. */
function nextVersion(versions: Versions, kind: string, name: string): number {
  return Math.max((versions[kind]?.[name] ?? 0) + 1, Math.floor(Date.now() / 1000));
}

function deletionOf(text: string, versions: Versions): AuthoredDocument {
  const [, kind, name] = /^(policy|group)\/(.+)$/.exec(text) ?? [];
  if (name === undefined || (kind !== 'policy' && kind !== 'group'))
    throw new UsageError(`"${text}" is not policy/NAME or group/NAME`);
  const version = nextVersion(versions, kind, name);
  return { kind, document: { v: 1, name, version, deleted: true } };
}

async function authoredOf(
  document: Document,
  versions: Versions,
  { offline }: Options,
): Promise<AuthoredDocument> {
  const { name } = document.metadata;
  if (document.kind !== 'KubeArmorVirtualMachine') {
    const kind = document.kind === 'Group' ? 'group' : 'policy';
    return {
      kind,
      document: { v: 1, name, version: nextVersion(versions, kind, name), content: document },
    };
  }
  if (offline)
    throw new UsageError(
      `the labels of ${name} need its node id, which the control plane knows: leave --offline out`,
    );
  const nodeId = await nodeIdOf(name);
  console.error(`host ${name}: labels for node id ${nodeId}`);
  const version = nextVersion(versions, 'labels', nodeId);
  const labels = document.metadata.labels ?? {};
  return { kind: 'labels', document: { v: 1, nodeId, name, version, labels } };
}

async function suspensionOf(options: Options, versions: Versions): Promise<AuthoredDocument> {
  const { name, target } = await targetOf(options);
  const version = nextVersion(versions, 'suspension', name);
  if (options.resume)
    return { kind: 'suspension', document: { v: 1, name, version, deleted: true } };
  const { suspend, for: forMs, reason } = options;
  if (suspend === undefined || forMs === undefined || reason === undefined)
    throw new UsageError('--suspend needs --for and --reason');
  const until = Date.now() + forMs;
  console.error(`the suspension ends at ${new Date(until).toISOString()}, by this machine's clock`);
  return {
    kind: 'suspension',
    document: { v: 1, name, version, target, mode: suspend, until, reason },
  };
}

async function targetOf({
  node,
  selector,
  all,
}: Options): Promise<{ name: string; target: SuspensionTarget }> {
  if ([node, selector, all].filter((each) => each !== undefined).length !== 1)
    throw new UsageError('name the hosts by one of --node, --selector or --all');
  if (node !== undefined) {
    const nodeId = await nodeIdOf(node);
    return { name: `node ${nodeId}`, target: { nodeId } };
  }
  if (selector === undefined) return { name: 'all', target: { all: true } };
  const words = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  const name = createHash('sha256').update(words.sort().join()).digest('hex');
  return { name: `labels ${name}`, target: { labels: selector } };
}

/** As the control plane says; where this operator has pinned the host, it must say the same. */
async function nodeIdOf(name: string): Promise<string> {
  const { nodeId, kept } = await withControlPlane(async (controlPlane) => {
    const view = await controlPlane.call<NodeView>(`/v1/nodes/${segment(name)}`);
    const known = (await KnownHosts.of(controlPlane)).get(name);
    return { nodeId: view.nodeId, kept: known?.nodeId };
  });
  if (nodeId !== undefined) return pinOf({ name, kept, shown: nodeId }).nodeId;
  throw new CommandFailed(
    `host ${name} is not enrolled, so it has no id yet`,
    'enrol it first, then sign its labels',
  );
}
