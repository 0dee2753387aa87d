import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** By how many MiB the heap has grown that what `work` made is still held in. */
export async function heapGrowthMiB(work: () => unknown): Promise<number> {
  collect();
  const before = process.memoryUsage().heapUsed;
  const kept = [await work()];
  collect();
  const after = process.memoryUsage().heapUsed;
  // Held until here.
  kept.pop();
  return (after - before) / 1024 / 1024;
}
