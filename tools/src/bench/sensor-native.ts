import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compileRuleSet, GENERIC_DEBIAN, type HostCapabilities } from '#policy-compiler';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import type { BenchReport } from './bench-report.js';
import { type Figures, figuresIn } from './figures.js';
import { pathsAndPatterns, ruleSetOf } from './rule-sets.js';

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 240_000;
const METER_TIMEOUT_MS = 120_000;
/** Of each part of the measurement of records. */
const SECONDS = '5';
const RULES = 1_000;
const SWAP_MS = 50;
const RECORDS_A_SECOND = 100_000;
/** A table of paths and patterns, its time and its room. */
const PATHS = 10_000;
const PATTERNS = 200;
const COMPILE_MS = 2_000;
const TABLE_MIB = 16;
/** A mount namespace with the file systems that a host has and this machine may not. */
const AS_ON_A_HOST =
  'mount -t cgroup2 none /sys/fs/cgroup && mount -t bpf none /sys/fs/bpf && mount -t bpf none "$0" && exec "$@"';

const HOST: HostCapabilities = {
  bpf: true,
  queries: true,
  lsm: ['bpf'],
  resolve: GENERIC_DEBIAN.resolve,
  loadedNames: [],
};

/** What can be measured on this machine itself, whose kernel need not have BPF-LSM: tables, records and swaps. */
export async function reportNative(report: BenchReport): Promise<void> {
  reportTable(report);
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  try {
    await run('make', ['-s', '-C', NATIVE, `OUT=${OUT}`, 'meters'], { timeout: BUILD_TIMEOUT_MS });
    await writeFile(join(folder, 'none'), tableOf(0));
    await writeFile(join(folder, 'rules'), tableOf(RULES));
    await mkdir(join(folder, 'bpf'));
    const tables = [join(folder, 'none'), join(folder, 'rules')];
    const meter = (...words: readonly string[]): Promise<Figures> =>
      metered(join(folder, 'bpf'), words);
    reportRecords(report, await meter(join(OUT, 'event-meter'), SECONDS));
    const swaps = join(OUT, 'swap-meter');
    const bare = await meter(swaps, folder, '/bpf', ...tables);
    reportSwap(report, bare, await meter(swaps, '/', '/sys/fs/bpf', ...tables));
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    report.note(`\nnatively: not measured: ${error.message}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const NATIVE = join(packageRoot(), 'libs', 'sensor', 'native');
const OUT = join(packageRoot(), 'build', 'sensor');

function tableOf(rules: number): Uint8Array {
  const { table } = compileRuleSet(ruleSetOf(rules), HOST);
  if (table === undefined) throw new Error(`no table was made of ${rules} rules`);
  return table.blob;
}

async function metered(pins: string, words: readonly string[]): Promise<Figures> {
  const args = ['--mount', 'sh', '-c', AS_ON_A_HOST, pins, ...words];
  try {
    return figuresIn((await run('unshare', args, { timeout: METER_TIMEOUT_MS })).stdout);
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new CommandFailed(stderr.trim() || message);
  }
}

/** The first one, as of a compiler that has just started, and then a tenth of it, which has it easier. */
function reportTable(report: BenchReport): void {
  const whole = compiled(PATHS, PATTERNS);
  const tenth = compiled(PATHS / 10, PATTERNS / 10);
  const about = `${PATHS} paths and ${PATTERNS} patterns with **, from policies to a table, CPU of the thread; baseline: a tenth of both`;
  report.case('table, natively', about, [
    { metric: 'compile', value: whole.ms, unit: 'ms', baseline: tenth.ms },
    { metric: 'table', value: whole.mib, unit: 'MiB', baseline: tenth.mib },
  ]);
  report.aim(`${PATHS} paths and ${PATTERNS} patterns compiled`, whole.ms, COMPILE_MS, 'ms');
  report.aim('their table', whole.mib, TABLE_MIB, 'MiB');
}

function compiled(paths: number, patterns: number): { readonly ms: number; readonly mib: number } {
  const rules = pathsAndPatterns(paths, patterns);
  const before = process.threadCpuUsage();
  const { table, report } = compileRuleSet(rules, HOST);
  const { user, system } = process.threadCpuUsage(before);
  const plans = report.policies.flatMap((policy) => policy.rules.map(({ plan }) => plan));
  if (plans.some((plan) => plan !== 'enforce')) throw new Error('the table holds not every rule');
  return { ms: (user + system) / 1_000, mib: (table?.blob.length ?? NaN) / 2 ** 20 };
}

function reportRecords(
  report: BenchReport,
  { bytes = 0, copied = 0, cpu = 0, wall = 0, rate = 0, sent = 0, lost = 0 }: Figures,
): void {
  report.case(
    'records, natively',
    `denials of ${bytes} bytes from the ring to events, on this machine, in a second of the reader's CPU;
baseline: the same bytes only copied out; now: in a second beside all else that runs here; half: of that`,
    [
      { metric: 'reader_capacity', value: cpu, unit: 'records/s', baseline: copied },
      { metric: 'reader_capacity, now', value: wall, unit: 'records/s' },
      { metric: 'rate_at_half', value: rate, unit: 'records/s' },
      { metric: 'sent_at_half', value: sent, unit: 'records' },
      { metric: 'lost_at_half', value: lost, unit: 'records' },
    ],
  );
  report.least('records a second', cpu, RECORDS_A_SECOND, 'records/s');
  report.aim('lost at half of what it takes now', lost, 0, 'records');
}

function reportSwap(report: BenchReport, bare: Figures, whole: Figures): void {
  const about = `a table of ${RULES} rules in force and read back, on this machine; baseline: one without rules;
with_search: files with several names are looked for on this machine's disks first, for 1.4 s at most`;
  const { swap0 = 0, swap1 = 0 } = bare;
  report.case('swap, natively', about, [
    { metric: 'swap', value: swap1, unit: 'ms', baseline: swap0 },
    { metric: 'swap, with_search', value: whole['swap1'] ?? 0, unit: 'ms', baseline: swap0 },
  ]);
  report.aim(`swap of ${RULES} rules, natively`, swap1, SWAP_MS, 'ms');
}
