import { whoseTurn } from '../../../tools/src/suites/turn.js';
import type { Rule } from '../checks/violation.js';
import type { Step } from '../plan.js';
import { FELL_BACK, LET_OFF, UNHEARD, UNREAD } from './steps.js';

/** A mistake that a program makes, and the rules by which a history shows it. */
interface Planted {
  readonly rules: readonly Rule[];
  /** What shows it where the plans of seeds hardly come to it. */
  readonly steps?: readonly Step[];
}

/** Mistakes of control planes, as `control-plane.ts` makes them. */
export const CONTROL_PLANE_MISTAKES = {
  'forgets deletions': { rules: ['committed', 'settled'] },
  'follows no label that moves': { rules: ['committed', 'settled'] },
  'records no change in the audit log': { rules: ['auditLog'] },
  'answers before it has committed': { rules: ['durable'] },
  'says what is wanted, not what is': { rules: ['said', 'settled'] },
  'commits in another order than it answers': { rules: ['durable', 'ordered'] },
  'takes the generation from the newest of its policies': { rules: ['committed', 'settled'] },
  'delivers every policy to every host': { rules: ['committed'] },
  'delivers what is paused': { rules: ['committed'] },
  'serves hosts that were revoked': { rules: ['revoked'] },
  'goes on with a break-glass that was ended': { rules: ['suspended'], steps: LET_OFF },
  'refuses what it has committed': { rules: ['durable'] },
  'forgets the first alert of a batch': { rules: ['alerts'] },
  'tells no host that something was written for it': { rules: ['prompt'] },
  'writes over what is newer': { rules: ['offered'] },
  'goes on watching at the revision of a header': {
    rules: ['committed', 'settled'],
    steps: UNREAD,
  },
} as const satisfies Readonly<Record<string, Planted>>;
export type ControlPlaneMistake = keyof typeof CONTROL_PLANE_MISTAKES;

/** Mistakes of agents, as `agent.ts` makes them. */
export const AGENT_MISTAKES = {
  'reports as applied what it has only handed over': { rules: ['said'] },
  'drops denials once it has sent them': { rules: ['alerts'], steps: UNHEARD },
} as const satisfies Readonly<Record<string, Planted>>;
export type AgentMistake = keyof typeof AGENT_MISTAKES;

/** Mistakes of sensors, as `sensor.ts` builds them. */
const SENSOR_MISTAKES = {
  'lowers the highest that it has seen when it falls back': {
    rules: ['forward'],
    steps: FELL_BACK,
  },
  'says that a rule set is in force before the kernel has it': { rules: ['kernel'] },
} as const satisfies Readonly<Record<string, Planted>>;
export type SensorMistake = keyof typeof SENSOR_MISTAKES;

export function isOfSensor(mistake: Mistake): mistake is SensorMistake {
  return mistake in SENSOR_MISTAKES;
}

export type Mistake = ControlPlaneMistake | AgentMistake | SensorMistake;
export const MISTAKES: Readonly<Record<Mistake, Planted>> = {
  ...CONTROL_PLANE_MISTAKES,
  ...AGENT_MISTAKES,
  ...SENSOR_MISTAKES,
};
const NAMES = Object.keys(MISTAKES) as [Mistake, ...Mistake[]];

/** Those that a run of the fault suite makes: each takes a minute or more, so all of them only in a full one. */
export function mistakesOf({ isFull, turn }: { isFull: boolean; turn: number }): Mistake[] {
  return isFull ? NAMES : [whoseTurn(NAMES, turn)];
}
