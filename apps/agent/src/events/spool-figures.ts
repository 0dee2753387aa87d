import { join } from 'node:path';
import { writeFileAtomic } from '../config/atomic-file.js';
import { shiftsOf, type IdShift } from './id-shift.js';
import { readIfThere, type OnSetAside } from './spool-files.js';

const FILE = 'meta.json';

/**
 * What a spool knows beside its alerts: what the control plane has, up to which event of the sensor all was taken, the
 * losses, and which ids on disk mean others.
 */
export interface Figures {
  readonly acknowledged: string;
  readonly sensor: number;
  readonly lost: number;
  readonly shifts?: readonly IdShift[];
}

/** Zeros where none were written, or what was is none of ours. Throws where they may be read another time. */
export async function readFigures(dir: string, onSetAside: OnSetAside): Promise<Figures> {
  const bytes = await readIfThere(join(dir, FILE), onSetAside);
  try {
    const { acknowledged, sensor, lost, shifts } = JSON.parse(
      bytes?.toString('utf8') ?? '{}',
    ) as Partial<Figures>;
    return {
      acknowledged: typeof acknowledged === 'string' ? acknowledged : '',
      sensor: count(sensor),
      lost: count(lost),
      shifts: shiftsOf(shifts),
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
