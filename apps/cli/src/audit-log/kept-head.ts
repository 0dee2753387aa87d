import type { ControlPlane } from '../client/control-plane.js';
import { damaged, keptFile, readKept, writeKept } from '../client/kept-file.js';
import type { KeptHead } from './verify-audit-log.js';

/** Where the head of the last run is kept. */
export function keptHeadFile({ identity }: ControlPlane): string {
  return keptFile('audit-log-heads', identity);
}

/** The head of the last run; undefined where there was none. */
export async function readKeptHead(file: string): Promise<KeptHead | undefined> {
  const value = await readKept(file);
  if (value === undefined || isKeptHead(value)) return value;
  throw damaged(file);
}

/** Keeps the head for the next run. */
export function writeKeptHead(file: string, head: KeptHead): Promise<void> {
  return writeKept(file, head);
}

function isKeptHead(value: unknown): value is KeptHead {
  if (typeof value !== 'object' || value === null) return false;
  const { seq, hash, keys } = value as Partial<Record<keyof KeptHead, unknown>>;
  return typeof seq === 'number' && typeof hash === 'string' && Array.isArray(keys);
}
