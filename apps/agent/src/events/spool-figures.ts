import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../config/atomic-file.js';

const FILE = 'meta.json';

/** What a spool knows beside its alerts: what the control plane has, up to which event of the sensor all was taken, the losses. */
export interface Figures {
  readonly acknowledged: string;
  readonly sensor: number;
  readonly lost: number;
}

/** Zeros where none were written, or what was is none of ours. */
export async function readFigures(dir: string): Promise<Figures> {
  const text = await readFile(join(dir, FILE), 'utf8').catch(() => '{}');
  try {
    const { acknowledged, sensor, lost } = JSON.parse(text) as Partial<Figures>;
    return {
      acknowledged: typeof acknowledged === 'string' ? acknowledged : '',
      sensor: count(sensor),
      lost: count(lost),
    };
  } catch {
    return { acknowledged: '', sensor: 0, lost: 0 };
  }
}

/** False where it could not, as on a full disk: the figures are then as old as the last write. */
export function writeFigures(dir: string, figures: Figures): Promise<boolean> {
  return writeFileAtomic(join(dir, FILE), JSON.stringify(figures), { mode: 0o600 }).then(
    () => true,
    () => false,
  );
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
