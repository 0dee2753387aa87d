import type { Figures } from './figures.js';
import type { SensorGuest } from './sensor-guest.js';

/** The same operations in two states of the host, round by round, one right after the other. */
export interface Pairs {
  readonly baseline: readonly Figures[];
  readonly value: readonly Figures[];
}

/** What programs that let everything through at once cost beside none at all; and what they weigh. */
export interface AttachedRounds extends Pairs {
  readonly kernelWithout: Figures;
}

/** What one set of rules costs beside the same programs suspended. */
export interface RuleRounds extends Pairs {
  readonly rules: number;
  readonly swapMs: readonly number[];
  readonly kernelWith: Figures;
}

/** How many rounds are wanted, and when the last one must have begun; some are made whatever the time. */
export interface RoundLimits {
  readonly rounds: number;
  readonly until: number;
  readonly signal: AbortSignal;
}

const LEAST_ROUNDS = 3;

/** Rounds without and with the programs, which are suspended. Loading them anew takes most of a round. */
export async function attachedRounds(
  guest: SensorGuest,
  limits: RoundLimits,
): Promise<AttachedRounds> {
  let kernelWithout: Figures = {};
  const pairs = await rounds(limits, async () => {
    await guest.detach();
    const baseline = better(await guest.operations(), await guest.operations());
    kernelWithout = await guest.kernel(); // now, since the kernel frees maps a moment after the programs
    await guest.attach();
    await guest.suspend();
    const value = better(await guest.operations(), await guest.operations());
    await guest.resume();
    return { baseline, value };
  });
  return { ...asPairs(pairs), kernelWithout };
}

/** Rounds suspended and enforcing, on a host that enforces and goes on enforcing. */
export async function ruleRounds(
  guest: SensorGuest,
  rules: number,
  limits: RoundLimits,
): Promise<RuleRounds> {
  const swapMs: number[] = [];
  const kernelWith = await guest.kernel();
  const pairs = await rounds(limits, async () => {
    await guest.suspend();
    const baseline = await guest.operations();
    swapMs.push(await guest.resume());
    return { baseline, value: await guest.operations() };
  });
  return { ...asPairs(pairs), rules, swapMs, kernelWith };
}

interface Pair {
  readonly baseline: Figures;
  readonly value: Figures;
}

async function rounds(
  { rounds: wanted, until, signal }: RoundLimits,
  round: () => Promise<Pair>,
): Promise<readonly Pair[]> {
  const done: Pair[] = [];
  while (done.length < wanted && (done.length < LEAST_ROUNDS || Date.now() < until)) {
    signal.throwIfAborted();
    done.push(await round());
  }
  return done;
}

function asPairs(pairs: readonly Pair[]): Pairs {
  return {
    baseline: pairs.map(({ baseline }) => baseline),
    value: pairs.map(({ value }) => value),
  };
}

/** Of two measurements of one state: what disturbs one seldom disturbs both. */
function better(one: Figures, other: Figures): Figures {
  return Object.fromEntries(
    Object.entries(one).map(([name, value]) => [name, Math.min(value, other[name] ?? value)]),
  );
}
