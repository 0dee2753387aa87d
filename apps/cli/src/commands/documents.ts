import { parse } from 'node:path';
import { formatDiagnostic, parseDocuments, type ParsedDocument } from '#policy-model';
import type { InputFile } from '../input/files.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { printableLines } from '../output/printable.js';

/** How missing selectors are filled: `--selector`, `--all-hosts`, or not at all. */
export interface SelectorChoice {
  readonly selector?: Readonly<Record<string, string>>;
  readonly allHosts?: boolean;
}

export interface Checked {
  readonly file: string;
  readonly document: ParsedDocument;
}

/** Parses every file, prints what is wrong or corrected to stderr, and gives all documents in order. */
export function checkFiles(
  files: readonly InputFile[],
  mode: 'crd' | 'lenient',
  choice: SelectorChoice,
): { documents: Checked[]; errors: number; warnings: number } {
  const documents: Checked[] = [];
  const totals = { error: 0, warning: 0 };
  for (const file of files) {
    const outcome = parseDocuments(file.text, {
      file: file.name,
      mode,
      format: parse(file.name).ext === '.json' ? 'json' : 'yaml',
      defaultSelector: defaultSelector(choice),
    });
    for (const diagnostic of outcome.diagnostics) {
      console.error(printableLines(formatDiagnostic(diagnostic)));
      totals[diagnostic.severity]++;
    }
    documents.push(...outcome.documents.map((document) => ({ file: file.name, document })));
  }
  return { documents, errors: totals.error, warnings: totals.warning };
}

/** The documents of files that must all be right; throws with the count of errors otherwise. */
export function acceptedDocuments(files: readonly InputFile[], choice: SelectorChoice): Checked[] {
  const { documents, errors } = checkFiles(files, 'lenient', choice);
  if (errors > 0) {
    throw new CommandFailed(
      `${errorCount(errors)}; nothing was sent`,
      'each error above ends with what to do',
    );
  }
  if (documents.length === 0)
    throw new CommandFailed('the files hold no document', 'check the paths given to -f');
  return documents;
}

/** `1 warning`, `3 warnings`. */
export function warningCount(warnings: number): string {
  return warnings === 1 ? '1 warning' : `${warnings} warnings`;
}

/** `1 error`, `3 errors`. */
export function errorCount(errors: number): string {
  return errors === 1 ? '1 error' : `${errors} errors`;
}

function defaultSelector(
  choice: SelectorChoice,
): 'all-hosts' | { matchLabels: Record<string, string> } | undefined {
  if (choice.allHosts && choice.selector !== undefined)
    throw new UsageError('name one of --selector and --all-hosts');
  if (choice.allHosts) return 'all-hosts';
  return choice.selector === undefined ? undefined : { matchLabels: { ...choice.selector } };
}
