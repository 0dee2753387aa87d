import type { Command } from 'commander';
import { RefusedError } from '#bundle';
import type { JournalEntryView, JournalHeadView, Page } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../errors.js';
import { keptHeadFile, readKeptHead, writeKeptHead } from '../journal/kept-head.js';
import {
  verifyJournal,
  type JournalSource,
  type JournalVerdict,
} from '../journal/verify-journal.js';
import { outputFormat, printRows, type OutputFormat } from '../output/print.js';
import type { Column } from '../output/table.js';
import { withControlPlane } from './session.js';

const COLUMNS: readonly Column<JournalEntryView>[] = [
  { title: 'SEQ', of: (entry) => String(entry.seq) },
  { title: 'TIME', of: (entry) => entry.time.slice(0, 19) },
  { title: 'ACTOR', of: (entry) => entry.actor, cut: 'middle' },
  { title: 'SOURCE', of: (entry) => entry.source || '-' },
  { title: 'ACTION', of: (entry) => entry.action },
  { title: 'OBJECT', of: (entry) => entry.object, cut: 'middle' },
  { title: 'OUTCOME', of: (entry) => entry.outcome },
];

/** `journal`: who did what, and whether anybody has changed what it says. */
export function registerJournal(program: Command): void {
  const journal = program
    .command('journal')
    .description('who did what, and whether the record of it is whole')
    .addHelpText(
      'after',
      `
Examples:
  hostward journal list
  hostward journal verify`,
    );
  journal
    .command('list')
    .option('--limit <n>', 'how many, the newest first', whole, 50)
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .description('the newest entries')
    .addHelpText('after', '\nExample:\n  hostward journal list --limit 200 -o json')
    .action(async ({ limit, output }: { limit: number; output: OutputFormat }) => {
      const page = await withControlPlane((controlPlane) =>
        controlPlane.call<Page<JournalEntryView>>('/v1/journal', { query: { limit: `${limit}` } }),
      );
      printRows(page.items, output, COLUMNS, (entry) => String(entry.seq));
    });
  journal
    .command('verify')
    .option('--since <seq>', 'leave out what comes before this entry', whole)
    .description('compute the journal anew and compare it with its signed head')
    .addHelpText(
      'after',
      `
Examples:
  hostward journal verify
  hostward journal verify --since 10000
The head is kept for the next run, so that what was cut off shows too. Exit
code 1, with the first entry that is wrong, where anything is.`,
    )
    .action(async ({ since }: { since?: number }) => withControlPlane((to) => verify(to, since)));
}

async function verify(controlPlane: ControlPlane, since: number | undefined): Promise<void> {
  const file = keptHeadFile(controlPlane.url);
  const kept = await readKeptHead(file);
  const verdict = await verifyJournal({ source: sourceOf(controlPlane), kept, since }).catch(
    (error: unknown) => {
      if (error instanceof RefusedError) throw unsigned(error, file);
      throw error;
    },
  );
  if (!verdict.whole)
    throw new CommandFailed(
      `the journal is broken: first bad entry ${verdict.badSeq}: ${verdict.why}`,
      `entries before ${verdict.badSeq} are right; keep journal.db as evidence`,
    );
  await writeKeptHead(file, verdict.head);
  tell(verdict, kept === undefined);
}

function tell({ verified, head, resumed }: JournalVerdict & { whole: true }, first: boolean): void {
  console.log(`the journal is whole: ${verified} entries, the last is ${head.seq} ${head.hash}`);
  if (first)
    console.log(`first run here: signed by key ${head.keys.map(({ keyid }) => keyid).join(', ')}`);
  for (const seq of resumed)
    console.error(
      `note: entry ${seq} says that the head in etcd was not where the entries ended: etcd was restored, or written by somebody`,
    );
}

function unsigned(error: RefusedError, file: string): CommandFailed {
  return new CommandFailed(
    `the head of the journal is not signed by the key that is known here: ${error.message}`,
    `if the online key was replaced on purpose, move ${file} away`,
    { cause: error },
  );
}

function sourceOf(controlPlane: ControlPlane): JournalSource {
  return {
    head: () => controlPlane.call<JournalHeadView>('/v1/journal/head'),
    headAt: (seq) => controlPlane.call<JournalHeadView>(`/v1/journal/heads/${seq}`),
    from: async (seq, limit) => {
      const query = { from: `${seq}`, limit: `${limit}` };
      const page = await controlPlane.call<Page<JournalEntryView>>('/v1/journal', { query });
      return page.items;
    },
  };
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new UsageError(`"${text}" is not a positive whole number`);
}
