import type { PolicyStatus, StatusGroup } from '#contracts';
import { counted, hosts } from './counted.js';
import { printable, wrapped } from './printable.js';

const WAITED_FOR = 3;
const BAR = 10;
const BAR_LINE = 79;
const BAR_NAME = 20;

/** `9,998 enforced, 1 pending, 1 enforced but drifted`. */
export function tallyText(summary: readonly StatusGroup[]): string {
  const counts = new Map<string, number>();
  for (const group of summary) {
    const text = stateText(group);
    counts.set(text, (counts.get(text) ?? 0) + group.hosts);
  }
  return [...counts].map(([text, count]) => `${counted(count)} ${text}`).join(', ');
}

/** `350 hosts`, `350 hosts, 350 of them simulated`. */
export function selectedText({ selected, summary }: PolicyStatus): string {
  const simulated = summary
    .filter(({ conditions }) => conditions.includes('simulated'))
    .reduce((sum, group) => sum + group.hosts, 0);
  const which = simulated === 0 ? '' : `, ${counted(simulated)} of them simulated`;
  return `${hosts(selected)}${which}`;
}

/** One group a paragraph: how many, why, and the first names where they do not keep the promise. */
export function summaryLines(summary: readonly StatusGroup[]): string[] {
  return summary.flatMap(groupLines);
}

/** How far a policy is, in one line that begins with its name, with the first hosts that are waited for. */
export function progressText({ policy, selected, summary }: PolicyStatus): string {
  const missing = summary.filter(({ kept }) => !kept);
  const names = missing.flatMap(({ examples }) => examples).slice(0, WAITED_FOR);
  const total = missing.reduce((sum, group) => sum + group.hosts, 0);
  const waiting = names.length === 0 ? '' : `; waiting for ${named(names, total)}`;
  return `policy/${policy}: of ${hosts(selected)} ${tallyText(summary)}${waiting}`;
}

/**
 * The same for a terminal, in less than 80 columns: `p [#########-] 9,998 of 10,000 enforced; waits for: web1, web2`. The bar
 * is full only where all keep the promise.
 */
export function progressBar({ policy, selected, summary }: PolicyStatus): string {
  const missing = summary.filter(({ kept }) => !kept);
  const total = missing.reduce((sum, group) => sum + group.hosts, 0);
  const done = selected - total;
  const bar = '#'.repeat(Math.floor((BAR * done) / Math.max(selected, 1))).padEnd(BAR, '-');
  const name = policy.length <= BAR_NAME ? policy : `${policy.slice(0, BAR_NAME - 1)}…`;
  const head = `${name} [${bar}] ${counted(done)} of ${counted(selected)} enforced`;
  if (total === 0) return head;
  const examples = missing.flatMap((group) => group.examples).slice(0, WAITED_FOR);
  for (let count = examples.length; count > 0; count -= 1) {
    const line = `${head}; waits for: ${named(examples.slice(0, count), total)}`;
    if (line.length <= BAR_LINE) return line;
  }
  return `${head}; waits for ${hosts(total)}`;
}

function groupLines(group: StatusGroup): string[] {
  const head = `${counted(group.hosts)} ${stateText(group)}`;
  if (group.kept) return [head];
  const [only] = group.reasons;
  if (only === undefined) return paragraph(`${head}: ${named(group.examples, group.hosts)}`, '');
  // As most often: all of them for one reason.
  if (group.reasons.length === 1 && only.hosts === group.hosts)
    return reasonLines(`${head}: ${only.reason}`, only, '');
  const known = group.reasons.reduce((sum, each) => sum + each.hosts, 0);
  const others = group.hosts - known;
  return [
    head,
    ...group.reasons.flatMap((each) =>
      reasonLines(`${counted(each.hosts)}: ${each.reason}`, each, '  '),
    ),
    ...(others > 0 ? [`  ${counted(others)}: for other reasons, or none that was told`] : []),
  ];
}

type Named = Pick<StatusGroup, 'hosts' | 'examples'>;

function reasonLines(text: string, { hosts: total, examples }: Named, indent: string): string[] {
  return [...paragraph(text, indent), ...paragraph(named(examples, total), `${indent}  `)];
}

function paragraph(text: string, indent: string): string[] {
  return wrapped(printable(text).split(' '), indent).split('\n');
}

/** `web1, web2 and 7 more`. */
function named(names: readonly string[], total: number): string {
  const more = total - names.length;
  return more > 0 ? `${names.join(', ')} and ${counted(more)} more` : names.join(', ');
}

function stateText({ state, conditions }: StatusGroup): string {
  return conditions.length === 0 ? state : `${state} but ${conditions.join(' and ')}`;
}
