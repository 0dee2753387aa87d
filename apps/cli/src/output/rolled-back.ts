import type { RolledBack } from '#contracts';
import { printable } from './printable.js';

/** `upgrade to 0.2.0 rolled back to 0.1.0 at 2026-11-26T18:00:00Z: why`. */
export function rolledBackText({ from, to, at, reason }: RolledBack): string {
  return `upgrade to ${printable(from)} rolled back to ${printable(to)} at ${at}: ${printable(reason)}`;
}
