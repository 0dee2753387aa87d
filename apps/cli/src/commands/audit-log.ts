import type { Command } from 'commander';
import { RefusedError } from '#bundle';
import type { AuditLogEntryView, Page } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { countOf } from '../input/count.js';
import type { Held } from '../audit-log/held-heads.js';
import { auditLogSource } from '../audit-log/audit-log-source.js';
import { keptHeadFile, readKeptHead, writeKeptHead } from '../audit-log/kept-head.js';
import { verifyAuditLog, type AuditLogVerdict } from '../audit-log/verify-audit-log.js';
import { rootIfPinned } from '../keys/pinned-root.js';
import { outputFormat, printRows, type OutputFormat } from '../output/print.js';
import type { Column } from '../output/table.js';
import { withControlPlane } from '../client/session.js';
import { hosts } from '../output/counted.js';

const COLUMNS: readonly Column<AuditLogEntryView>[] = [
  { title: 'SEQ', of: (entry) => String(entry.seq) },
  { title: 'TIME', of: (entry) => entry.time.slice(0, 19) },
  { title: 'ACTOR', of: (entry) => entry.actor, cut: 'middle' },
  { title: 'SOURCE', of: (entry) => entry.source || '-' },
  { title: 'ACTION', of: (entry) => entry.action },
  { title: 'OBJECT', of: (entry) => entry.object, cut: 'middle' },
  { title: 'OUTCOME', of: (entry) => entry.outcome },
];

/** `auditLog`: who did what, and whether anybody has changed what it says. */
export function registerAuditLog(program: Command): void {
  const auditLog = program
    .command('audit-log')
    .description('who did what, and whether the record of it is whole')
    .addHelpText(
      'after',
      `
Examples:
  hostward audit-log list
  hostward audit-log verify`,
    );
  auditLog
    .command('list')
    .option('--limit <n>', 'how many, the newest first', countOf('--limit'), 50)
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .description('the newest entries')
    .addHelpText('after', '\nExample:\n  hostward audit-log list --limit 200 -o json')
    .action(async ({ limit, output }: { limit: number; output: OutputFormat }) => {
      const page = await withControlPlane((controlPlane) =>
        controlPlane.call<Page<AuditLogEntryView>>('/v1/audit-log', {
          query: { limit: `${limit}` },
        }),
      );
      printRows(page.items, output, COLUMNS, (entry) => String(entry.seq));
    });
  auditLog
    .command('verify')
    .option('--since <seq>', 'leave out what comes before this entry', countOf('--since'))
    .option(
      '--restored <seq>',
      'confirm the restore that this entry tells of; kept',
      countOf('--restored'),
    )
    .option('--root <file>', 'the root document to believe; kept')
    .description('compute the audit log anew; compare with what was seen before')
    .addHelpText(
      'after',
      `
Examples:
  hostward audit-log verify
  hostward audit-log verify --since 10000
  hostward audit-log verify --root root.json
  hostward audit-log verify --restored 4711
It is compared with its signed head, with the head of the last run, which is
kept here, and with the heads that hosts have seen, as they sign it: so what was
cut off or written anew shows too. Exit code 1, with the first entry that is
wrong, where anything is. Whose signature counts says the root document that is
kept here (--root); without one that of the first run. After a restore from a
backup the entries that it lost are missed until you confirm it (--restored).`,
    )
    .action((options: VerifyOptions) => withControlPlane((to) => verify(to, options)));
}

interface VerifyOptions {
  readonly since?: number;
  readonly restored?: number;
  readonly root?: string;
}

async function verify(controlPlane: ControlPlane, options: VerifyOptions): Promise<void> {
  const file = keptHeadFile(controlPlane);
  const kept = await readKeptHead(file);
  const root = await rootIfPinned(controlPlane, options.root);
  const keys = root?.document.online;
  const { since, restored } = options;
  const inquiry = { source: auditLogSource(controlPlane), kept, keys, since, restored };
  const verdict = await verifyAuditLog(inquiry).catch((error: unknown) => {
    if (error instanceof RefusedError) throw unsigned(error, file);
    throw error;
  });
  if (!verdict.whole)
    throw new CommandFailed(
      `the audit log is broken: first bad entry ${verdict.badSeq}: ${verdict.why}`,
      remedyOf(verdict),
    );
  await writeKeptHead(file, verdict.head);
  tell(verdict, kept === undefined);
}

/** A restore explains what is missing only to whom knows that there was one. */
function remedyOf({ badSeq, restored }: AuditLogVerdict & { readonly whole: false }): string {
  const [seq] = restored;
  if (seq === undefined) return `entries before ${badSeq} are right; keep audit-log.db as evidence`;
  return `entry ${seq} tells of a restore from a backup, which loses what came after; if you know of it: hostward audit-log verify --restored ${seq}`;
}

type Whole = AuditLogVerdict & { readonly whole: true };

function tell({ verified, head, resumed, held }: Whole, first: boolean): void {
  console.log(`the audit log is whole: ${verified} entries, the last is ${head.seq} ${head.hash}`);
  tellOfHosts(held);
  if (first)
    console.log(`first run here: signed by key ${head.keys.map(({ keyid }) => keyid).join(', ')}`);
  for (const seq of resumed)
    console.error(
      `note: entry ${seq} says that the head in etcd was not where the entries ended: etcd was restored, or written by somebody`,
    );
}

function tellOfHosts({ heads, heard, silent, strange }: Held): void {
  const newest = Math.max(0, ...heads.map(({ seq }) => seq));
  if (heard > 0)
    console.log(`${hosts(heard)} hold${heard === 1 ? 's' : ''} heads of it, up to entry ${newest}`);
  else console.error('note: no host holds a head of it yet, so only the last run here was asked');
  if (silent.length > 0)
    console.error(`note: ${hosts(silent.length)} said nothing lately: ${someOf(silent)}`);
  if (strange.length > 0)
    console.error(
      `note: ${hosts(strange.length)} with only heads of a key that is not known here: ${someOf(strange)}`,
    );
}

function someOf(names: readonly string[]): string {
  return names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
}

function unsigned(error: RefusedError, file: string): CommandFailed {
  return new CommandFailed(
    `the head of the audit log is not signed by the key that is known here: ${error.message}`,
    `if the online key was replaced on purpose, give the root document by --root, or move ${file} away`,
    { cause: error },
  );
}
