import { ControlPlane } from '../client/control-plane.js';
import { loadContext } from '../client/context.js';

/** Runs a command's work with a client made from the context in force, and closes it whatever happens. */
export async function withControlPlane<T>(
  work: (controlPlane: ControlPlane) => Promise<T>,
): Promise<T> {
  const controlPlane = new ControlPlane(await loadContext());
  try {
    return await work(controlPlane);
  } finally {
    controlPlane.close();
  }
}
