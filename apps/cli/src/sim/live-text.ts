import { counted } from '../output/counted.js';

/** How a running simulation stands: hosts that came so far, and what is wrong on how many now, empty where nothing is. */
interface SimState {
  readonly seconds: number;
  readonly enrolled: number;
  readonly listening: number;
  readonly inForce: number;
  readonly changes: number;
  readonly conditions: string;
}

/** One line about it, for people. */
export function liveText(state: SimState): string {
  const { seconds, enrolled, listening, inForce, changes, conditions } = state;
  const wrong = conditions && `; conditions: ${conditions}`;
  return `${seconds} s: ${counted(enrolled)} enrolled, ${counted(listening)} connected, ${counted(inForce)} took a rule set, ${counted(changes)} changes${wrong}`;
}
