import { renderTable, type Column } from '../../../apps/cli/src/output/table.js';
import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';
import { median } from '../../../apps/cli/src/sim/samples.js';
import type { Figures } from './figures.js';
import { productOf, type Ratio, ratioOf, verdictOf } from './sensor-ratio.js';
import type { AttachedRounds, Pairs, RuleRounds } from './sensor-rounds.js';

const MIB = 1024 ** 2;
const SWAP_MS = 50;
const KERNEL_MIB = 5;
const RSS_MIB = 80;
const AIM_RULES = 1_000;

/** Names of the meter's operations, and what people call them. */
const OPERATIONS = {
  open: 'open, close',
  read: 'read 1 byte',
  write: 'write 1 byte',
  create: 'create, unlink',
  stat: 'stat',
  fork: 'fork, wait',
  exec: 'vfork, exec, wait',
  socket: 'socket, close',
  connect: 'connect, UDP',
  build: 'a compilation',
} as const;
type Operation = keyof typeof OPERATIONS;

const AIMS: Partial<Record<Operation, number>> = {
  open: 1.15,
  read: 1.01,
  write: 1.01,
  exec: 1.03,
};

/** KubeArmor on a host with one rule that does not match, in an emulated guest; not measured here. */
const KUBEARMOR: Partial<Record<Operation, number>> = {
  open: 2.1,
  write: 6.3,
  create: 2.3,
  socket: 1.6,
};

interface Row {
  readonly operation: Operation;
  readonly none: number;
  readonly unit: Metered['unit'];
  /** Enforcing beside no programs at all. */
  readonly whole: Ratio;
  /** Programs attached and suspended, beside none. */
  readonly attached: Ratio;
  /** Enforcing beside attached and suspended. */
  readonly rules: Ratio;
}

/** What the meter's nanoseconds stand for. */
export interface Metered {
  readonly unit: 'us' | 'instructions';
  /** Of one of the unit. */
  readonly ns: number;
}

/** Where the values of the bench go. */
export interface Target {
  readonly report: BenchReport;
  readonly json: boolean;
  readonly unit: Metered;
}

/** Tells what one set of rules cost: per operation, and in the kernel. */
export function reportRules(
  { report, json, unit }: Target,
  attached: AttachedRounds,
  rounds: RuleRounds,
): void {
  const rows = (Object.keys(OPERATIONS) as Operation[]).map((operation) =>
    rowOf(operation, unit, attached, rounds),
  );
  const name = `rules=${rounds.rules}`;
  const about = `ATTACHED: programs suspended, beside none, over ${attached.value.length} rounds; RULES: enforcing,
beside suspended, over ${rounds.value.length} rounds; RATIO: their product, enforcing beside no programs`;
  if (json) report.case(name, about, rows.flatMap(measurementsOf));
  else console.log(`\n${name}: ${about}\n${renderTable(COLUMNS, rows)}`);
  for (const { operation, whole } of rows)
    reportAim(report, `${operation}, ${name}`, whole, operation);
  reportKernel(report, attached.kernelWithout, rounds);
}

/** Tells how long a swap takes, as a multiple of one of the smallest set of rules. */
export function reportSwaps(report: BenchReport, all: readonly RuleRounds[]): void {
  const baseline = median(all[0]?.swapMs ?? []);
  report.case(
    'swap',
    `hostward-sensor resume: a table in force and read back; baseline: with ${all[0]?.rules ?? 0} rules`,
    all.map(({ rules, swapMs }) => ({
      metric: `swap, rules=${rules}`,
      value: median(swapMs),
      unit: 'ms',
      baseline,
    })),
  );
  const large = all.find(({ rules }) => rules === AIM_RULES);
  if (large !== undefined)
    report.aim(
      'swap of 1,000 rules (aim of a native machine)',
      median(large.swapMs),
      SWAP_MS,
      'ms',
    );
}

/** Tells how much memory sensor and agent take on the host once a set of rules has come. */
export function reportMemory(
  report: BenchReport,
  rules: number,
  { sensor = 0, agent = 0 }: Figures,
): void {
  const inMib = (metric: string, kib: number): Measurement => ({
    metric,
    value: kib / 1024,
    unit: 'MiB',
  });
  report.case(`memory of the processes, rules=${rules}`, 'RSS in the guest', [
    inMib('sensor', sensor),
    inMib('agent', agent),
  ]);
  const both = `sensor and agent together, rules=${rules},`;
  report.aim(both, (sensor + agent) / 1024, RSS_MIB, 'MiB');
}

function rowOf(
  operation: Operation,
  { unit, ns }: Metered,
  without: AttachedRounds,
  rounds: RuleRounds,
): Row {
  const attached = ratioIn(without, operation);
  const rules = ratioIn(rounds, operation);
  return {
    operation,
    none: median(without.baseline.map((all) => all[operation] ?? NaN)) / ns,
    unit,
    attached,
    rules,
    whole: productOf(attached, rules),
  };
}

function ratioIn({ value, baseline }: Pairs, operation: Operation): Ratio {
  const of = (rounds: readonly Figures[]): number[] => rounds.map((all) => all[operation] ?? NaN);
  return ratioOf(of(value), of(baseline));
}

/** The value is what the ratio makes of the baseline, since the two were never measured in one round. */
function measurementsOf({
  operation,
  none,
  unit,
  whole,
  attached,
  rules,
}: Row): readonly Measurement[] {
  return [
    { metric: operation, value: none * whole.ratio, unit, baseline: none },
    ...ratioLines(`${operation}, ratio`, whole),
    ...ratioLines(`${operation}, ratio of attached`, attached),
    ...ratioLines(`${operation}, ratio of rules`, rules),
  ];
}

function ratioLines(metric: string, { ratio, low, high }: Ratio): readonly Measurement[] {
  return [
    { metric, value: ratio, unit: 'x' },
    { metric: `${metric}, from`, value: low, unit: 'x' },
    { metric: `${metric}, to`, value: high, unit: 'x' },
  ];
}

function reportAim(report: BenchReport, what: string, ratio: Ratio, operation: Operation): void {
  const limit = AIMS[operation];
  if (limit === undefined) return;
  report.note(`aim: ${what}, at most x${limit}: ${verdictOf(ratio, limit)} (${shown(ratio)})`);
}

function reportKernel(
  report: BenchReport,
  kernelWithout: Figures,
  { rules, kernelWith }: RuleRounds,
): void {
  const mib = (what: string): number =>
    ((kernelWith[`${what}-bytes`] ?? 0) - (kernelWithout[`${what}-bytes`] ?? 0)) / MIB;
  const [programs, maps] = [mib('programs'), mib('maps')];
  report.case(`kernel memory, rules=${rules}`, 'more than without the enforcer, by memlock', [
    { metric: 'programs', value: programs, unit: 'MiB' },
    { metric: 'maps', value: maps, unit: 'MiB' },
  ]);
  if (rules === AIM_RULES)
    report.aim('kernel memory of 1,000 rules', programs + maps, KERNEL_MIB, 'MiB');
}

function shown({ ratio, low, high }: Ratio): string {
  return `x${ratio.toFixed(3)}, 95 %: ${low.toFixed(3)} to ${high.toFixed(3)}`;
}

const UNITS = { us: 'us', instructions: 'instr.' } as const;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'OPERATION', of: ({ operation }) => OPERATIONS[operation] },
  {
    title: 'NONE',
    of: ({ none, unit }) => `${none.toFixed(unit === 'us' ? 2 : 0)} ${UNITS[unit]}`,
  },
  { title: 'ATTACHED', of: ({ attached }) => attached.ratio.toFixed(3) },
  { title: 'RULES', of: ({ rules }) => rules.ratio.toFixed(3) },
  { title: 'RATIO', of: ({ whole }) => whole.ratio.toFixed(3) },
  { title: '95 %', of: ({ whole }) => `${whole.low.toFixed(3)}-${whole.high.toFixed(3)}` },
  { title: 'KUBEARMOR*', of: ({ operation }) => KUBEARMOR[operation]?.toFixed(1) ?? '-' },
];
