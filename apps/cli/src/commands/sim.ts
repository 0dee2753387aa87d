import { randomBytes, randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { caFingerprintOf } from '../client/ca-fingerprint.js';
import { loadContext } from '../client/context.js';
import { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { interruptible } from '../input/interruptible.js';
import { timerOf } from '../input/duration.js';
import { durationOption } from '../input/duration-option.js';
import { SEEDS, seedOf } from '../input/seed.js';
import { printObject } from '../output/print.js';
import { labelsOf, parseMixture, type LabelMixture } from '../sim/label-mixture.js';
import { runSimulation, type SimReport } from '../sim/sim-run.js';
import { chosenContext } from '../client/session.js';

interface Options {
  readonly nodes: number;
  readonly labels: LabelMixture;
  readonly processes: number;
  readonly duration: number;
  readonly changeEvery?: number;
  readonly storm?: number;
  readonly fail: number;
  readonly latency: number;
  readonly slow: number;
  readonly slowBy: number;
  readonly stuck: number;
  readonly clockSkew: number;
  readonly seed?: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const MAX_NODES = 20_000;

/** `sim`: hosts without a kernel, to see what a control plane carries. */
export function registerSim(program: Command): void {
  program
    .command('sim')
    .description('simulate a fleet on a control plane, by the real code of hosts')
    .option('--nodes <number>', 'hosts to simulate', wholeNumber('--nodes', MAX_NODES), 50)
    .option('--labels <mixture>', 'env=prod:70,env=dev:30', parseMixture, new Map())
    .option(
      '--processes <number>',
      'processes that they run in',
      wholeNumber('--processes', 64),
      availableParallelism(),
    )
    .addOption(durationOption('--duration <time>', 'from when all have come', '1m', timerOf))
    .option('--change-every <time>', 'apply a changed policy as often', timerOf('--change-every'))
    .option('--storm <time>', 'cut all connections so long after that', timerOf('--storm'))
    .option('--fail <probability>', 'that a rule set fails to load', share('--fail'), 0)
    .addOption(durationOption('--latency <time>', 'before a nudge is acted on', '0s', timerOf))
    .option('--slow <share>', 'of hosts that load slowly', share('--slow'), 0)
    .addOption(durationOption('--slow-by <time>', 'how long those take', '5s', timerOf))
    .option('--stuck <share>', 'of hosts that never load anything', share('--stuck'), 0)
    .addOption(
      durationOption('--clock-skew <time>', 'clocks are wrong by up to so much', '0s', timerOf),
    )
    .option('--seed <n>', 'of what chance decides, to have it again', seedOf)
    .option('--keep', 'leave the hosts in the control plane afterwards')
    .option('--json', 'print a report as JSON, all else on standard error')
    .addHelpText(
      'after',
      `
Real are tokens, keys, certificates, Redis users, connections, delivery,
verification and signed reports. Left out are kernel, sensor and alerts; a
signature that hosts share is verified once a process.
A process opens five files a host: see ulimit -n.
Chance decides which hosts are slow or stuck, how wrong each clock is, and on
each host which rule sets fail to load and how late each nudge is.

Example:
  hostward sim --nodes 500 --labels env=prod:70,env=dev:30 --change-every 10s`,
    )
    .action((options: Options) => interruptible((signal) => simulate(options, signal)));
}

async function simulate(options: Options, signal: AbortSignal): Promise<void> {
  const context = await loadContext(chosenContext());
  const controlPlane = new ControlPlane(context);
  const say = (line: string): void => (options.json ? console.error(line) : console.log(line));
  const seed = options.seed ?? randomInt(SEEDS);
  say(`seed ${seed}`);
  try {
    const report = await runSimulation(
      controlPlane,
      {
        run: randomBytes(3).toString('hex'),
        labels: labelsOf(options.labels, options.nodes),
        processes: Math.min(options.processes, options.nodes),
        caFingerprint: caFingerprintOf(context),
        failureProbability: options.fail,
        latencyMs: options.latency,
        slowShare: options.slow,
        slowMs: options.slowBy,
        stuckShare: options.stuck,
        clockSkewMs: options.clockSkew,
        seed,
        durationMs: options.duration,
        changeEveryMs: options.changeEvery,
        stormAtMs: options.storm,
        keep: options.keep === true,
      },
      say,
      signal,
    );
    if (options.json) printObject(report, 'json');
    else tellReport(report);
    if (report.enrolled < report.nodes)
      throw new CommandFailed(`${report.nodes - report.enrolled} hosts did not come`);
  } finally {
    controlPlane.close();
  }
}

function tellReport(report: SimReport): void {
  console.log(
    `${report.enrolled} of ${report.nodes} hosts came within ${Math.round(report.enrolMs)} ms`,
  );
  console.log(`memory of the simulation: ${Math.round(report.rssPerSimulatedHostKiB)} KiB a host`);
  for (const trouble of report.troubles) console.log(`trouble: ${trouble}`);
}

function wholeNumber(option: string, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw new UsageError(`${option} "${text}" is not a whole number from 1 to ${most}`);
  };
}

function share(option: string): (text: string) => number {
  return (text) => {
    const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
    if (text !== '' && value >= 0 && value <= 1) return value;
    throw new UsageError(`${option} "${text}" is no share: write a number from 0 to 1, or 5%`);
  };
}
