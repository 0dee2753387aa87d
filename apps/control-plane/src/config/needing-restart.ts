import { isDeepStrictEqual } from 'node:util';
import type { ServerConfig } from './config.js';

/** Keys that a running control plane takes in by itself. */
const RELOADED = new Set<string>(['logLevel', 'oidc'] satisfies (keyof ServerConfig)[]);

/** Keys whose values differ and count only after a restart, in order. */
export function needingRestart(running: ServerConfig, next: ServerConfig): readonly string[] {
  const [before, after] = [new Map(Object.entries(running)), new Map(Object.entries(next))];
  const keys = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return keys.filter(
    (key) => !RELOADED.has(key) && !isDeepStrictEqual(before.get(key), after.get(key)),
  );
}
