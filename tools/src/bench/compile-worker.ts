import { parentPort, workerData } from 'node:worker_threads';
import { compileRuleSet, GENERIC_DEBIAN, type HostCapabilities } from '#policy-compiler';
import { ruleSetOf } from './rule-sets.js';
import { median } from '../../../apps/cli/src/sim/samples.js';

/** Times of one rule set, and the profile file that came out. */
export interface CompileTimes {
  readonly firstMs: number;
  /** CPU of the first run's own thread; V8's helpers (GC, optimiser) are not in it. */
  readonly firstCpuMs: number;
  readonly warmMs: number;
  readonly text: string;
}

const WARM_RUNS = 5;
const host: HostCapabilities = {
  apparmor: { parser: '4.1.0', priority: true },
  lsm: ['apparmor'],
  resolve: GENERIC_DEBIAN.resolve,
  loadedNames: [],
};

// A worker has an isolate of its own, so the first run finds nothing optimised, like the compiler of a host.
parentPort?.postMessage(timesOf(Number(workerData)));

function timesOf(rules: number): CompileTimes {
  const ruleSet = ruleSetOf(rules);
  const run = (): { ms: number; text: string } => {
    const started = performance.now();
    const { texts } = compileRuleSet(ruleSet, host);
    return { ms: performance.now() - started, text: texts.enforce };
  };
  const idle = process.threadCpuUsage();
  const first = run();
  const { user, system } = process.threadCpuUsage(idle);
  const warm = Array.from({ length: WARM_RUNS }, () => run().ms);
  return {
    firstMs: first.ms,
    firstCpuMs: (user + system) / 1_000,
    warmMs: median(warm),
    text: first.text,
  };
}
