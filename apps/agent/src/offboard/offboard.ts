import { runHostScript } from '../preflight/host-script.js';

/** What is left on the host: see tools/host/offboard.sh. */
export type Leaving = 'keep-enforcing' | 'purge' | undefined;

/** Takes enforcement and identity off this host; 0, or 1 with what stays. May be run again where it was killed. */
export function offboard(leaving: Leaving): Promise<number> {
  return runHostScript('offboard.sh', { args: leaving === undefined ? [] : [`--${leaving}`] });
}
