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
  readonly words: string;
  readonly by: string;
}

/** Of the sensor's sources, so that nothing of the product leads here. */
const PLANT: Readonly<Record<SensorMistake, Edit>> = {
  'lowers the highest that it has seen when it falls back': {
    file: 'src/confirm.c',
    words: 'd->table = good;',
    by: 'd->table = good; d->memory.highest = good->ordering;',
  },
};

/** Builds the sensor on a fake kernel, with one mistake, in a folder of its own; returns the program. */
export async function plantedSensor(mistake: SensorMistake, folder: string): Promise<string> {
  const [native, out] = [join(folder, 'native'), join(folder, 'native-build')];
  const copy = { recursive: true, preserveTimestamps: true };
  await cp(await buildNative('fake'), out, copy);
  await cp(join(projectRoot, 'libs/sensor/native'), native, copy);
  const { file, words, by } = PLANT[mistake];
  const shipped = await readFile(join(native, file), 'utf8');
  if (!shipped.includes(words)) throw new Error(`${file} has no ${words} any more`);
  await writeFile(join(native, file), shipped.replace(words, by));
  await promisify(execFile)('make', ['-s', '-C', native, `OUT=${out}`, 'fake'], {
    timeout: MAKE_TIMEOUT_MS,
  });
  return join(out, 'hostward-sensor-fake');
}
