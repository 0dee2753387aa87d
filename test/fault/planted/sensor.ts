import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildNative } from '../../../libs/sensor/src/fixtures/native-build.js';
import { projectRoot } from '../../e2e/support/product.js';
import type { SensorMistake } from './mistakes.js';

const MAKE_TIMEOUT_MS = 240_000;

interface Edit {
  readonly file: string;
  /** Each `words` of it are replaced `by` others. */
  readonly places: readonly { readonly words: string; readonly by: string }[];
}

/** Of the sensor's sources, so that nothing of the product leads here. */
const PLANT: Readonly<Record<SensorMistake, Edit>> = {
  'lowers the highest that it has seen when it falls back': {
    file: 'src/confirm.c',
    places: [
      {
        words: 'd->table = good;',
        by: 'd->table = good; d->memory.highest = good->assignment_version;',
      },
    ],
  },
  // Nor does it read back what the kernel has: else it would say itself that it is not what was to be loaded.
  'says that a rule set is in force before the kernel has it': {
    file: 'src/enforce.c',
    places: [
      { words: 'r = load_variant(d, fresh, d->table);', by: 'r = 0;' },
      { words: '(void)hw_enforce_verify(d, true); /*', by: '/*' },
    ],
  },
};

/** Builds the sensor on a fake kernel, with one mistake, in a folder of its own; returns the program. */
export async function plantedSensor(mistake: SensorMistake, folder: string): Promise<string> {
  const [native, out] = [join(folder, 'native'), join(folder, 'native-build')];
  const copy = { recursive: true, preserveTimestamps: true };
  await cp(await buildNative('fake'), out, copy);
  await cp(join(projectRoot, 'libs/sensor/native'), native, copy);
  const { file, places } = PLANT[mistake];
  let source = await readFile(join(native, file), 'utf8');
  for (const { words, by } of places) {
    if (!source.includes(words)) throw new Error(`${file} has no ${words} any more`);
    source = source.replace(words, by);
  }
  await writeFile(join(native, file), source);
  await promisify(execFile)('make', ['-s', '-C', native, `OUT=${out}`, 'fake'], {
    timeout: MAKE_TIMEOUT_MS,
  });
  return join(out, 'hostward-sensor-fake');
}
