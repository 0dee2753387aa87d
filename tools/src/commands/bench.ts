import { type Command } from 'commander';
import { applyBench, type ApplyBenchOptions } from '../bench/apply-bench.js';
import { bootstrapBench, type BootstrapBenchOptions } from '../bench/bootstrap-bench.js';
import { WAYS, type WayName } from '../bench/bootstrap-ways.js';
import { fleetBench, type FleetBenchOptions } from '../bench/fleet-bench.js';
import { listsBench, type ListsBenchOptions } from '../bench/lists-bench.js';
import { scaleBench, type ScaleBenchOptions } from '../bench/scale-bench.js';
import { sensorBench, type SensorBenchOptions } from '../bench/sensor-bench.js';
import { trustBench, type TrustBenchOptions } from '../bench/trust-bench.js';
import { UsageError } from '../../../apps/cli/src/output/errors.js';
import { timerOf } from '../../../apps/cli/src/input/duration.js';
import { durationOption } from '../../../apps/cli/src/input/duration-option.js';
import { interruptible } from '../../../apps/cli/src/input/interruptible.js';
import { outputFile } from '../../../apps/cli/src/output/output-file.js';
import { oneOf } from '../../../apps/cli/src/output/print.js';

interface Options {
  readonly agents: number;
  readonly rounds: number;
  readonly rules: readonly number[];
  readonly idle: number;
  readonly json?: boolean;
}

const LONGEST_IDLE_MS = 600_000;
const MOST_FLEETS = 5;

/** `bench`: what the product costs on this machine, beside a baseline of the same run. */
export function registerBench(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure the product on this machine, beside a baseline of the same run')
    .addHelpText('after', '\nExample:\n  hostward bench apply --agents 10 --rounds 10');
  bench
    .command('apply')
    .option('--agents <number>', 'agent processes of the fleet', counted('--agents', 500), 50)
    .option('--rounds <number>', 'applies of each case', counted('--rounds', 1_000), 20)
    .option('--rules <numbers>', 'rule sets to compile', parseRules, [1, 100, 1_000, 10_000])
    .addOption(
      durationOption(
        '--idle <duration>',
        'how long CPU is counted while nothing happens',
        '15s',
        timerOf,
      ),
    )
    .option('--json', 'one JSON object a line')
    .description('from REST apply to the ack of every agent, idle CPU and memory, compile times')
    .addHelpText('after', '\nExample:\n  ./hostward bench apply --agents 10 --rounds 10')
    .action((options: Options) =>
      runApply({ ...options, idleMs: options.idle, json: options.json === true }),
    );
  registerTrust(bench);
  registerSensor(bench);
  registerBootstrap(bench);
  registerFleet(bench);
  registerLists(bench);
  registerScale(bench);
}

function registerTrust(bench: Command): void {
  bench
    .command('trust')
    .option('--hosts <number>', 'hosts of the fleet', counted('--hosts', 100_000), 10_000)
    .option('--rounds <number>', 'rounds of each case', counted('--rounds', 100), 5)
    .option('--agents <number>', 'agents that reconnect', counted('--agents', 10_000), 1_000)
    .option('--requests <number>', 'REST requests of each case', counted('--requests', 10_000), 500)
    .option('--json', 'one JSON object a line')
    .description('keys, commits, reports, Redis users, TLS and REST of a fleet, beside baselines')
    .addHelpText('after', '\nExample:\n  ./hostward bench trust --hosts 1000')
    .action(({ json, ...sizes }: Omit<TrustBenchOptions, 'json'> & { readonly json?: boolean }) =>
      interruptible((signal) => trustBench({ ...sizes, json: json === true }, signal)),
    );
}

type SensorOptions = Pick<SensorBenchOptions, 'rules' | 'rounds'> &
  Partial<Pick<SensorBenchOptions, 'json' | 'count' | 'native'>>;

function registerSensor(bench: Command): void {
  bench
    .command('sensor')
    .option('--rules <numbers>', 'rules in force, case by case', parseSizes, [0, 10, 1_000, 10_000])
    .option('--rounds <number>', 'most rounds of each case', counted('--rounds', 20), 5)
    .option('--count', 'count instructions of one emulated CPU, not time')
    .option('--native', 'only records and swaps, which need no VM')
    .option('--json', 'one JSON object a line')
    .description('what the BPF enforcer costs the programs of a host, in a VM')
    .addHelpText('after', '\nExample:\n  ./hostward bench sensor --rules 0,1000 --count')
    .action(({ json = false, count = false, native = false, ...sizes }: SensorOptions) =>
      interruptible((signal) => sensorBench({ ...sizes, json, count, native }, signal)),
    );
}

function registerScale(bench: Command): void {
  bench
    .command('scale')
    .option('--hosts <numbers>', 'fleets, case by case', parseFleets, [10_000, 100_000, 1_000_000])
    .option('--hosts-per-redis <number>', 'on one', counted('--hosts-per-redis', 1_000_000), 15_000)
    .option('--control-planes <number>', 'on one etcd', counted('--control-planes', 100), 2)
    .option('--seed <number>', 'of the chance in it', counted('--seed', 2 ** 31), 1)
    .option('--core-hour <price>', 'of a core-hour', priced('--core-hour'))
    .option('--gib-hour <price>', 'of a GiB of memory for an hour', priced('--gib-hour'))
    .option('--gb <price>', 'of a GB from hosts to Redis', priced('--gb'))
    .option('--json', 'one JSON object a line')
    .description("any fleet's change, return and day with its cost, by what was measured")
    .addHelpText(
      'after',
      '\nExamples:\n  ./hostward bench scale --hosts 30000 --hosts-per-redis 10000' +
        '\n  ./hostward bench scale --core-hour 0.05 --gib-hour 0.005 --gb 0.01',
    )
    .action(({ json = false, ...sizes }: Omit<ScaleBenchOptions, 'json'> & { json?: boolean }) =>
      interruptible((signal) => scaleBench({ ...sizes, json }, signal)),
    );
}

function registerBootstrap(bench: Command): void {
  bench
    .command('bootstrap')
    .option('--hosts <numbers>', 'simulated hosts, case by case; 0: none', parseHosts, [1, 10, 50])
    .option('--vms <numbers>', 'VMs, case by case; 0: none', parseVms, [1, 2])
    .option('--ways <names>', 'of ssh, script and play', parseWays, WAYS)
    .option('--json', 'one JSON object a line')
    .description('from a bare host to an enforced one by each way in, and again')
    .addHelpText('after', '\nExample:\n  ./hostward bench bootstrap --hosts 1,10 --vms 0')
    .action(({ json, ...sizes }: Omit<BootstrapBenchOptions, 'json'> & { json?: boolean }) =>
      interruptible((signal) => bootstrapBench({ ...sizes, json: json === true }, signal)),
    );
}

interface FleetOptions extends Omit<FleetBenchOptions, 'json' | 'idleMs'> {
  readonly idle?: number;
  readonly json?: boolean;
}

function registerFleet(bench: Command): void {
  bench
    .command('fleet')
    .option('--nodes <numbers>', 'simulated hosts, fleet by fleet', parseNodes, [1_000])
    .option('--rounds <number>', 'changes of each case', counted('--rounds', 100, 2), 5)
    .option('--idle <duration>', 'how long idle CPU is counted (15s to 2m)', timerOf('--idle'))
    .option(
      '--record <file>',
      'judge the run by those before, and add it there',
      outputFile('--record'),
    )
    .option('--json', 'one JSON object a line')
    .description(
      'a change to a fleet of simulated hosts, its idle cost, its return; of several: the slope',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  ./hostward bench fleet --nodes 100' +
        '\n  ./hostward bench fleet --nodes 300 --record fleet.jsonl' +
        '\n  ./hostward bench fleet --nodes 1000,3000,10000 --rounds 2',
    )
    .action(({ json, idle, ...sizes }: FleetOptions) =>
      interruptible((signal) =>
        fleetBench({ ...sizes, idleMs: idle, json: json === true }, signal),
      ),
    );
}

function registerLists(bench: Command): void {
  bench
    .command('lists')
    .option('--nodes <number>', 'hosts', counted('--nodes', 20_000, 100), 10_000)
    .option('--policies <number>', 'policies', counted('--policies', 10_000, 100), 5_000)
    .option('--reporting <number>', 'hosts of them that report', counted('--reporting', 5_000), 100)
    .option('--requests <number>', 'requests of each kind', counted('--requests', 10_000), 200)
    .option('--json', 'one JSON object a line')
    .description('lists, selectors and status of a large fleet, beside a hundredth of it')
    .addHelpText('after', '\nExample:\n  ./hostward bench lists --nodes 2000 --policies 500')
    .action(({ json, ...sizes }: Omit<ListsBenchOptions, 'json'> & { readonly json?: boolean }) => {
      if (sizes.reporting >= sizes.nodes) throw new UsageError('--reporting is less than --nodes');
      return interruptible((signal) => listsBench({ ...sizes, json: json === true }, signal));
    });
}

async function runApply(options: ApplyBenchOptions): Promise<void> {
  if (options.idleMs > LONGEST_IDLE_MS) throw new UsageError('--idle is at most 10m');
  await interruptible((signal) => applyBench(options, signal));
}

function counted(option: string, most: number, least = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new UsageError(`${option} "${text}" is not a whole number from ${least} to ${most}`);
  };
}

function priced(option: string): (text: string) => number {
  return (text) => {
    const price = Number(text);
    if (text.trim() !== '' && Number.isFinite(price) && price >= 0) return price;
    throw new UsageError(`${option} "${text}" is not a price: write a number from 0 on, e.g. 0.05`);
  };
}

function parseRules(text: string): readonly number[] {
  return text.split(',').map(counted('--rules', 10_000));
}

function parseSizes(text: string): readonly number[] {
  return text.split(',').map(counted('--rules', 10_000, 0));
}

function parseNodes(text: string): readonly number[] {
  const sizes = text.split(',').map(counted('--nodes', 20_000));
  if (sizes.length <= MOST_FLEETS && sizes.every((size, at) => size > (sizes[at - 1] ?? 0)))
    return sizes;
  throw new UsageError(
    `--nodes "${text}" is not at most ${MOST_FLEETS} numbers in ascending order`,
  );
}

function parseFleets(text: string): readonly number[] {
  return text.split(',').map(counted('--hosts', 2_000_000));
}

function parseHosts(text: string): readonly number[] {
  return text.split(',').map(counted('--hosts', 100, 0));
}

function parseVms(text: string): readonly number[] {
  return text.split(',').map(counted('--vms', 4, 0));
}

function parseWays(text: string): readonly WayName[] {
  return text.split(',').map(oneOf('--ways', ...WAYS));
}
