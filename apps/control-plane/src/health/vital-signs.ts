import type { Vitals } from './readiness.js';

/** How things stand, told by whoever runs the control plane. */
export abstract class VitalSigns {
  abstract read(): Vitals;
}
