import type { Context } from './context.js';

const SKEW_MS = 60_000;

/**
 * A wrong clock makes certificates and assignments look expired: it is named before that happens. `serverTime` is what
 * the control plane's clock said a moment ago, ms since 1970; undefined where it said nothing.
 */
export function compareClocks(
  { clock, conditions }: Pick<Context, 'clock' | 'conditions'>,
  serverTime: number | undefined,
): void {
  if (serverTime === undefined) return;
  const skewMs = clock.now() - serverTime;
  if (Math.abs(skewMs) < SKEW_MS) return conditions.clear('clock');
  const direction = skewMs > 0 ? 'ahead of' : 'behind';
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  conditions.raise(
    'clock',
    `this host's clock is ${seconds} s ${direction} the control plane's: set it (timedatectl)`,
  );
}
