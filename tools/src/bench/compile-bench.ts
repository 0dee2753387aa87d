import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import type { BenchReport } from './bench-report.js';
import type { CompileTimes } from './compile-worker.js';
import type { Measurement } from './measurement.js';
import { parseMs, parserFeatures } from './parser-time.js';
import { bareProfile } from './rule-sets.js';

const AIM_RULES = 1_000;
const AIM_MS = 200;

/** Compile and parser times of rule sets of these sizes. */
export async function compileBench(
  report: BenchReport,
  sizes: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const features = parserFeatures();
  if (features === undefined)
    report.note(
      'skipped: apparmor_parser or its features file is not here, so there is no baseline',
    );
  const measured: Measurement[] = [];
  for (const size of sizes) {
    const times = await compileTimes(size, signal);
    measured.push(...(await measurementsOf(size, times, features, signal)));
    if (size === AIM_RULES) report.aim(`${size} rules compiled`, times.firstMs, AIM_MS, 'ms');
  }
  report.case(
    'compile',
    'rule sets of mixed kinds by our compiler, then its output by apparmor_parser;\n' +
      'baseline: apparmor_parser on a profile of as many bare deny lines',
    measured,
  );
}

async function measurementsOf(
  size: number,
  { firstMs, firstCpuMs, warmMs, text }: CompileTimes,
  features: string | undefined,
  signal: AbortSignal,
): Promise<readonly Measurement[]> {
  const parsed = features === undefined ? undefined : await parseMs(text, features, signal);
  const baseline =
    features === undefined ? undefined : await parseMs(bareProfile(size), features, signal);
  const rows: readonly [string, number | undefined][] = [
    ['compile, first run', firstMs],
    ['compile, first run, CPU of its thread', firstCpuMs],
    ['compile, warm', warmMs],
    ['parse the output', parsed],
  ];
  return rows.flatMap(([what, value]) =>
    value === undefined
      ? []
      : [
          {
            metric: `${size} ${size === 1 ? 'rule' : 'rules'}: ${what}`,
            value,
            unit: 'ms' as const,
            baseline,
          },
        ],
  );
}

/** Its modules: the bundle of the CLI has but one file. */
const WORKER = join('dist', 'tools', 'src', 'bench', 'compile-worker.js');

/** In a thread of its own, so that Ctrl-C is heard meanwhile. */
async function compileTimes(size: number, signal: AbortSignal): Promise<CompileTimes> {
  signal.throwIfAborted();
  const worker = new Worker(join(packageRoot(), WORKER), { workerData: size });
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<CompileTimes>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the compilation was stopped')));
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
