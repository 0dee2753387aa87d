import type { Command } from 'commander';
import { rootBinding, trustRoot, verifyRedirect, type RedirectDocument } from '#bundle';
import type { NodeView, RedirectView } from '#contracts';
import { CommandFailed, UsageError } from '../output/errors.js';
import { endTime } from '../input/end-time.js';
import { httpsOrigin } from '../input/https-origin.js';
import { segment } from '../input/names.js';
import { descriptorOf } from '../input/secret.js';
import { selectorOf } from '../input/selector.js';
import { pathOf } from '../input/path.js';
import {
  lackingOf,
  readRedirectDraft,
  signedDraft,
  signedRedirectOf,
  writeRedirectDraft,
  type RedirectDraft,
} from '../keys/redirect-draft.js';
import { rootHandsOf } from '../keys/root-key-of-up.js';
import type { SigningOptions } from '../keys/signing.js';
import { currentRoot } from '../keys/trust-client.js';
import { outputFile, tellOf } from '../output/output-file.js';
import { outputFormat, printObject, printRows, type OutputFormat } from '../output/print.js';
import { printable } from '../output/printable.js';
import type { Column } from '../output/table.js';
import { chosenContext, withControlPlane } from '../client/session.js';

const EXAMPLES = `
Example:
  hostward redirect --to https://new.example:7443 --ca-fingerprint sha256:1f…
    --all --reason "another data centre, ticket 4711"
  hostward redirect list
  hostward redirect show ID          # which hosts followed, and why not
  hostward redirect end ID --reason "postponed"
With several root keys, as for \`hostward root\`:
  hostward redirect --to … --all --reason … --draft move.json
  hostward redirect sign move.json --key anna      (each holder)
  hostward redirect publish move.json
The new control plane must be of this fleet (hostward restore). A host leaves
only after that has proved itself to it, and goes back where it does not
deliver. Try one host first: --node web1.`;

interface Draftable extends SigningOptions {
  readonly draft?: string;
}

interface OrderOptions extends Draftable {
  readonly to?: string;
  readonly caFingerprint?: string;
  readonly node?: readonly string[];
  readonly selector?: string;
  readonly all?: boolean;
  readonly notBefore?: string;
  readonly expires: string;
  readonly reason?: string;
}

/** `redirect`: hosts follow a control plane that moved, by an order that root keys sign. */
export function registerRedirect(program: Command): void {
  const redirect = program
    .command('redirect')
    .option('--to <url>', 'where it answers now: https://HOST:PORT')
    .option('--ca-fingerprint <sha256>', 'of its CA, as `up` or `ca status` there print it')
    .option('--node <name...>', 'these hosts')
    .option('--selector <labels>', 'the hosts that have these labels now', selectorOf('--all'))
    .option('--all', 'every host')
    .option('--not-before <time>', 'when it begins to count: ISO time or duration')
    .option('--expires <time>', 'when it ends: ISO time or duration, at most 90d', '7d')
    .option('--reason <text>', 'why; it is kept in the audit log')
    .description('have hosts follow a control plane that moved address or CA')
    .addHelpText('after', EXAMPLES)
    .action(order);
  signing(redirect);
  redirect
    .command('list')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .description('redirects, newest first')
    .action(list);
  redirect
    .command('show')
    .argument('<id>')
    .option('-o, --output <format>', 'table, json or yaml', outputFormat, 'table')
    .description('one redirect, and what became of it on each host')
    .action(show);
  const ending = redirect
    .command('end')
    .argument('<id>')
    .option('--reason <text>', 'why; it is kept in the audit log')
    .description('have hosts stay that have not followed yet')
    .action((id: string, _own: object, command: Command) => end(id, optionsOf(command)));
  signing(ending);
  registerFiles(redirect);
}

function registerFiles(redirect: Command): void {
  const sign = redirect
    .command('sign')
    .argument('<file>')
    .description('add your signature to a draft; says what is lacking')
    .action(async (file: string, _own: object, command: Command) => {
      const hands = await rootHandsOf(optionsOf(command), chosenContext());
      const draft = await signedDraft(await readRedirectDraft(file), hands);
      await writeRedirectDraft(file, draft);
      tellDraft(file, draft);
    });
  keyOptions(sign);
  redirect
    .command('publish')
    .argument('<file>')
    .description('give a draft that is complete to the hosts')
    .action(async (file: string) => publish(await readRedirectDraft(file), file));
}

/** Options that `redirect` has too are its own, wherever they stand. */
function optionsOf(command: Command): Draftable & { readonly reason?: string } {
  return command.optsWithGlobals<Draftable & { readonly reason?: string }>();
}

function signing(command: Command): void {
  keyOptions(command);
  command.option(
    '--draft <file>',
    'write it to a file, to be signed by others',
    outputFile('--draft'),
  );
}

function keyOptions(command: Command): void {
  command
    .option('--key <name...>', 'a root key of yours, or ssh-agent:COMMENT')
    .option(
      '--key-file <path>',
      'the root key that `up` made; found on its machine',
      pathOf('--key-file'),
    )
    .option(
      '--passphrase-fd <n>',
      'read the passphrase from this descriptor',
      descriptorOf('--passphrase-fd'),
    )
    .option('--passphrase-file <file>', 'that of an encrypted --key-file, as for `up`');
}

async function order(options: OrderOptions): Promise<void> {
  const { to, caFingerprint, reason, notBefore, expires } = options;
  if (to === undefined || caFingerprint === undefined || reason === undefined)
    throw new UsageError('--to, --ca-fingerprint and --reason are needed, or list, show or end');
  const target = await targetOf(options);
  const root = await currentRoot();
  const now = Date.now();
  const document: RedirectDocument = {
    ...{ v: 1, issuedAt: now, root: rootBinding(trustRoot(root)), target, reason },
    to: { url: httpsOrigin('--to', to), caFingerprint: fingerprintOf(caFingerprint) },
    notBefore: notBefore === undefined ? now : Date.parse(endTime('--not-before', notBefore, now)),
    expiresAt: Date.parse(endTime('--expires', expires, now)),
  };
  if (document.expiresAt <= document.notBefore)
    throw new UsageError('--expires must be after --not-before');
  await signAndPublish({ v: 1, root, document, signatures: [] }, options);
}

async function end(
  id: string,
  { reason, ...options }: Draftable & { readonly reason?: string },
): Promise<void> {
  if (reason === undefined) throw new UsageError('--reason is needed');
  const { envelope } = await viewOf(id);
  const root = await currentRoot();
  const bound = trustRoot(root);
  const { target, issuedAt } = verifyRedirect(envelope, bound).document;
  const document: RedirectDocument = {
    ...{ v: 1, issuedAt: Math.max(Date.now(), issuedAt + 1), root: rootBinding(bound) },
    ...{ target, reason, stay: true },
  };
  await signAndPublish({ v: 1, root, document, signatures: [] }, options);
}

async function signAndPublish(unsigned: RedirectDraft, options: Draftable): Promise<void> {
  if (options.draft !== undefined) {
    await writeRedirectDraft(options.draft, unsigned);
    return tellDraft(options.draft, unsigned);
  }
  await publish(await signedDraft(unsigned, await rootHandsOf(options, chosenContext())));
}

async function publish(draft: RedirectDraft, file?: string): Promise<void> {
  const missing = lackingOf(draft);
  if (missing !== undefined)
    throw new CommandFailed(
      `${file ?? 'the redirect'} is not complete: ${missing}`,
      'use --draft FILE, and let the holders of root keys run hostward redirect sign',
    );
  const body = signedRedirectOf(draft);
  const view = await withControlPlane((controlPlane) =>
    controlPlane.call<RedirectView>('/v1/redirects', { method: 'POST', body }),
  );
  console.log(`redirect/${view.id}: ${headline(view)}`);
  if (view.to) console.log(`\`hostward redirect show ${view.id}\` tells which hosts have followed`);
}

async function targetOf({ node, selector, all }: OrderOptions) {
  if ([node, selector, all].filter((each) => each !== undefined).length !== 1)
    throw new UsageError('name exactly one of --node, --selector and --all');
  if (all === true) return { all } as const;
  const views = await withControlPlane(async (controlPlane) =>
    node === undefined
      ? controlPlane.all<NodeView>('/v1/nodes', { selector })
      : Promise.all(node.map((name) => controlPlane.call<NodeView>(`/v1/nodes/${segment(name)}`))),
  );
  for (const { name, nodeId } of views)
    if (!nodeId) console.error(printable(`${name} is left out: it has not enrolled`));
  const chosen = views.flatMap(({ name, nodeId }) => (nodeId ? [{ name, nodeId }] : []));
  if (chosen.length === 0)
    throw new CommandFailed(
      'no enrolled host is named or selected',
      'hostward get nodes lists hosts and their labels',
    );
  for (const { name, nodeId } of chosen) console.log(printable(`for ${name}, node id ${nodeId}`));
  return { nodeIds: chosen.map(({ nodeId }) => nodeId) };
}

function fingerprintOf(text: string): string {
  const hex = text
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new UsageError(
    `--ca-fingerprint "${text}" is not a SHA-256: write sha256: and 64 hex digits`,
  );
}

const COLUMNS: readonly Column<RedirectView>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'STATE', of: ({ state }) => state },
  { title: 'TO', of: ({ to }) => to?.url ?? '-', cut: 'middle' },
  { title: 'HOSTS', of: hostsOf },
  { title: 'EXPIRES', of: ({ expiresAt }) => expiresAt ?? '-' },
  { title: 'REASON', of: ({ reason }) => reason ?? '-' },
];

async function list({ output }: { output: OutputFormat }): Promise<void> {
  const { items } = await withControlPlane((controlPlane) =>
    controlPlane.call<{ items: readonly RedirectView[] }>('/v1/redirects'),
  );
  printRows(items, output, COLUMNS, ({ id }) => id);
}

async function show(id: string, { output }: { output: OutputFormat }): Promise<void> {
  const view = await viewOf(id);
  if (output === 'json' || output === 'yaml') return printObject(view, output);
  const { to, reason, by, at, notBefore, expiresAt, hosts } = view;
  const waiting = hosts?.waitingNames.slice(0, 5).join(', ');
  const lines = [
    `redirect/${id}: ${headline(view)}`,
    ...(to ? [`  CA          sha256:${to.caFingerprint}`] : []),
    ...(notBefore ? [`  counts      from ${notBefore} until ${expiresAt ?? ''}`] : []),
    `  ordered     ${at} by ${by}: ${reason ?? '-'}`,
    ...(hosts && to
      ? [
          `  redirected  ${hosts.redirected}`,
          `  waiting     ${hosts.waiting}${waiting ? ` (${waiting}${hosts.waiting > 5 ? ', …' : ''})` : ''}`,
          `  failed      ${hosts.failed.length}`,
          ...hosts.failed.map(({ node, code, message }) => `    ${node}: ${code}: ${message}`),
        ]
      : []),
  ];
  console.log(lines.map((line) => printable(line)).join('\n'));
}

function viewOf(id: string): Promise<RedirectView> {
  return withControlPlane((controlPlane) =>
    controlPlane.call<RedirectView>(`/v1/redirects/${segment(id)}`),
  );
}

function headline(view: RedirectView): string {
  const { state, to } = view;
  return to
    ? `${state}, ${hostsOf(view)} to ${to.url}`
    : `${state}: ${hostsOf(view)} ${state === 'void' ? 'are not told of it' : 'stay where they are'}`;
}

function hostsOf({ target }: RedirectView): string {
  if (target?.all) return 'all hosts';
  const nodes = target?.nodes ?? [];
  return nodes.length === 1 ? (nodes[0] ?? '') : `${nodes.length} hosts`;
}

function tellDraft(file: string, draft: RedirectDraft): void {
  const missing = lackingOf(draft);
  tellOf(
    file,
    `${file}: ${draft.signatures.length} signatures, ${missing === undefined ? 'complete: hostward redirect publish' : `not complete: ${missing}`}`,
  );
}
