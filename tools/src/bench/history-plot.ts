import { type HistoryEntry, type Kept, KEPT, ratioOf } from './history-entry.js';

const WIDTH = 760;
const PANEL = 260;
const LEFT = 60;
const RIGHT = 190;
const TOP = 40;
const BOTTOM = 50;
/** Told apart by the colour-blind too. */
const COLOURS: Readonly<Record<Kept, string>> = {
  last_delivery: '#0072b2',
  commit_to_ack_p50: '#009e73',
  commit_to_ack_p99: '#e69f00',
  commit_to_ack_last: '#cc3311',
};

/** The runs of each fleet size, one panel below the other: each time over the bare Redis publish of its run. SVG. */
export function drawHistory(entries: readonly HistoryEntry[]): string {
  const sizes = [...new Set(entries.map(({ nodes }) => nodes))].sort((a, b) => a - b);
  const panels = sizes.map((size, at) =>
    panel(
      entries.filter(({ nodes }) => nodes === size),
      at * PANEL,
    ),
  );
  const height = sizes.length * PANEL;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="white"/>
${panels.join('\n')}
</svg>
`;
}

function panel(runs: readonly HistoryEntry[], y: number): string {
  const most = Math.max(...runs.flatMap((run) => KEPT.map((metric) => ratioOf(run, metric))));
  const top = niceAbove(most);
  const wide = WIDTH - LEFT - RIGHT;
  const high = PANEL - TOP - BOTTOM;
  const xOf = (at: number): number =>
    LEFT + (runs.length === 1 ? wide / 2 : (wide * at) / (runs.length - 1));
  const yOf = (value: number): number => y + TOP + high * (1 - value / top);
  const [first, last] = [runs[0], runs.at(-1)];
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
  return [
    `<text x="${LEFT}" y="${y + 22}" font-weight="bold">${first?.nodes ?? 0} hosts: times as multiples of a bare Redis publish to as many</text>`,
    ...ticks.map(
      (value) =>
        `<path d="M${LEFT} ${yOf(value).toFixed(1)}H${LEFT + wide}" stroke="#ddd"/><text x="${LEFT - 8}" y="${(yOf(value) + 4).toFixed(1)}" text-anchor="end">${value}</text>`,
    ),
    ...KEPT.map((metric, at) =>
      series(metric, runs, { xOf, yOf, legendY: y + TOP + 14 + at * 20 }),
    ),
    `<text x="${LEFT}" y="${y + PANEL - 24}">${day(first)}</text>`,
    runs.length > 1
      ? `<text x="${LEFT + wide}" y="${y + PANEL - 24}" text-anchor="end">${day(last)}</text>`
      : '',
  ].join('\n');
}

interface Scale {
  readonly xOf: (at: number) => number;
  readonly yOf: (value: number) => number;
  readonly legendY: number;
}

function series(metric: Kept, runs: readonly HistoryEntry[], { xOf, yOf, legendY }: Scale): string {
  const colour = COLOURS[metric];
  const places = runs.map((run, at) => ({ run, x: xOf(at), y: yOf(ratioOf(run, metric)) }));
  const line = places.map(
    ({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`,
  );
  const marks = places.map(
    ({ run, x, y }) =>
      `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${colour}"><title>${day(run)} ${run.commit}: ${metric} ${run.ms[metric]} ms, bare Redis ${run.baseline} ms</title></circle>`,
  );
  const legendX = WIDTH - RIGHT + 20;
  return [
    `<path d="${line.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...marks,
    `<circle cx="${legendX}" cy="${legendY - 4}" r="4" fill="${colour}"/><text x="${legendX + 10}" y="${legendY}">${metric}</text>`,
  ].join('\n');
}

function day(run: HistoryEntry | undefined): string {
  return run?.at.slice(0, 10) ?? '';
}

/** The next of 1, 2, 4 and 8 times a power of ten, so that quarters of it are short numbers. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 8].find((step) => step * power >= value) ?? 10) * power;
}
