import type { Step } from './explore.js';
import type { State } from './state.js';

/** A step of the delivery. */
export type DeliveryStep = Step<State>;

export const step = (name: string, next: State, system = true): DeliveryStep => ({
  name,
  system,
  next,
});
