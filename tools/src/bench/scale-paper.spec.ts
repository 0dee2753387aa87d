import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { COSTS, MEASURED } from './scale-constants.js';
import { costOf, dayOf } from './scale-day.js';
import { changeOf, returnOf } from './scale-model.js';

const PAPER = await readFile(new URL('../../../docs/reference/scale.md', import.meta.url), 'utf8');

const UNITS: Readonly<Record<string, number>> = {
  ...{ us: 1e-6, ms: 1e-3, s: 1, '': 1 },
  ...{ KiB: 2 ** 10, GiB: 2 ** 30, MB: 1e6, GB: 1e9, TB: 1e12, M: 1e6 },
};

type Cells = readonly string[];

/** Rows of the table that stands first under a heading, without its titles. */
function table(heading: string): readonly Cells[] {
  const section = PAPER.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const lines = section.split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const end = lines.findIndex((line, at) => at > first && !line.startsWith('|'));
  return lines.slice(first + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What a cell says, in seconds, bytes or as it is, and the half of its last digit. */
function shown(cell: string): { readonly value: number; readonly within: number } {
  const [, number = '', unit = ''] = /^([\d.,]+) ?([A-Za-z]*)$/.exec(cell) ?? [];
  const scale = number === '' ? NaN : (UNITS[unit] ?? NaN);
  const digits = number.split('.')[1]?.length ?? 0;
  return {
    value: Number(number.replaceAll(',', '')) * scale,
    within: (10 ** -digits / 2) * scale * (1 + 1e-9),
  };
}

function expectShown(what: string, cell: string, value: number): void {
  const { value: said, within } = shown(cell);
  expect({ what, cell, value, isSo: Math.abs(said - value) <= within }).toEqual({
    ...{ what, cell, value },
    isSo: true,
  });
}

/** A formula of sums of products, as the paper writes them, in seconds, hours and bytes as they stand there. */
function evaluate(formula: string, names: Readonly<Record<string, number>>): number {
  const tokens =
    formula.replaceAll(/(?<=\d) (?:s|h)\b/g, '').match(/[a-z]\d*|[\d,]+|[×/+()]/g) ?? [];
  const atom = (): number => {
    const token = tokens.shift() ?? '';
    if (token !== '(') return names[token] ?? Number(token.replaceAll(',', ''));
    const inner = sum();
    expect([formula, tokens.shift()]).toEqual([formula, ')']);
    return inner;
  };
  const product = (): number => {
    let value = atom();
    while (tokens[0] === '×' || tokens[0] === '/')
      value = tokens.shift() === '×' ? value * atom() : value / atom();
    return value;
  };
  const sum = (): number => {
    let value = product();
    for (; tokens[0] === '+'; value += product()) tokens.shift();
    return value;
  };
  const value = sum();
  expect([formula, tokens]).toEqual([formula, []]);
  return value;
}

const CONSTANTS = new Map(
  table('Constants').map(([name = '', value = '']) => [/^`(c\d+)`/.exec(name)?.[1] ?? name, value]),
);
const HOSTS = [10_000, 100_000, 1_000_000] as const;

describe('the paper on larger fleets', () => {
  it('has a constant by each of its names once, and tells by which bench it was measured', () => {
    const rows = table('Constants');
    const names = [...CONSTANTS.keys()].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
    expect(names).toEqual(rows.map((_, at) => `c${at + 1}`));
    for (const row of rows) expect(row[2]).toMatch(/^bench (trust|fleet)\b.*: /);
  });

  it('has the constants that the bench computes with', () => {
    expect.hasAssertions();
    for (const [name, value] of Object.entries(MEASURED)) {
      const said = shown(CONSTANTS.get(name) ?? '').value;
      expect([name, said]).toEqual([name, expect.closeTo(value, 12)]);
    }
  });

  it('says of each formula what it gives', () => {
    const constants = Object.fromEntries(
      [...CONSTANTS].map(([name, value]) => [name, shown(value).value]),
    );
    const rows = table('What follows');
    expect(rows.length).toBeGreaterThan(10);
    for (const [what = '', formula = '', ...cells] of rows)
      for (const [at, n] of HOSTS.entries())
        expectShown(`${what}, ${n}`, cells[at] ?? '', evaluate(formula, { n, ...constants }));
  });

  it('says what a day costs by the prices of its example', () => {
    const options = /bench scale (--core-hour [^`]*)`/.exec(PAPER)?.[1] ?? '';
    const price = (option: string): number =>
      Number(new RegExp(`--${option} ([\\d.]+)`).exec(options)?.[1]);
    const prices = {
      ...{ coreHour: price('core-hour'), gibHour: price('gib-hour'), gb: price('gb') },
    };
    const rows = table('A day and its cost');
    expect(rows).toHaveLength(HOSTS.length);
    for (const [at, hosts] of HOSTS.entries()) {
      const day = dayOf({ hosts, controlPlanes: 2 });
      const values = [hosts, day.coreHours, day.gibHours, day.gigabytes, costOf(day, prices) ?? 0];
      for (const [column, value] of values.entries())
        expectShown(`${hosts}, column ${column}`, rows[at]?.[column] ?? '', value);
    }
  });

  it('shows what is simulated', () => {
    const rows = table('Simulated').slice(0, 2);
    expect(rows).toHaveLength(2);
    for (const [hosts = '', redis = '', ...cells] of rows) {
      const cell = { hosts: shown(hosts).value, redis: shown(redis).value, controlPlanes: 2 };
      expect(cell.redis).toBe(Math.ceil(cell.hosts / 15_000));
      const { lastDelivery, ackP50, ackP99, ackLast } = changeOf(cell, COSTS, 1);
      const { last, tries } = returnOf(cell, COSTS, 1);
      const times = [lastDelivery, ackP50, ackP99, ackLast, last].map((ms) => ms / 1_000);
      for (const [column, value] of [...times, tries].entries())
        expectShown(`${hosts} simulated, column ${column}`, cells[column] ?? '', value);
    }
  });
});

describe('what a day costs', () => {
  const day = { coreHours: 10, gibHours: 100, gigabytes: 1_000 };

  it('is the sum of what has a price, and unknown without any', () => {
    expect(costOf(day, { coreHour: 2, gibHour: 0.5, gb: 0.01 })).toBe(20 + 50 + 10);
    expect(costOf(day, { gb: 0 })).toBe(0);
    expect(costOf(day, {})).toBeUndefined();
  });

  it('has Redis once and each control plane, and what hosts send once', () => {
    const [one, three] = [1, 3].map((controlPlanes) => dayOf({ hosts: 10_000, controlPlanes }));
    const more = ((one?.coreHours ?? 0) - (10_000 * MEASURED.c17 * 24) / 60) * 2;
    expect((three?.coreHours ?? 0) - (one?.coreHours ?? 0)).toBeCloseTo(more, 9);
    expect(three?.gigabytes).toBe(one?.gigabytes);
  });
});
