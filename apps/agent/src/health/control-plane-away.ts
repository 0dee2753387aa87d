import { errorMessage } from '../config/error-facts.js';
import type { Context } from './context.js';

/** Raises the condition that the control plane did not answer over HTTPS, with what a person can do. */
export function controlPlaneAway(
  { conditions }: Pick<Context, 'conditions'>,
  cause: unknown,
): void {
  const message = errorMessage(cause);
  const clock = /not yet valid|has expired|CERT_NOT_YET_VALID|CERT_HAS_EXPIRED/.test(message);
  const problem = clock
    ? `the control plane's certificate is not valid at this host's time (${message}): compare the clocks of both`
    : `the control plane cannot be reached (${message}): enforcement goes on; see its /healthz and the route to it`;
  conditions.raise('control-plane', problem);
}
