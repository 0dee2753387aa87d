import type { Mistake } from './mistakes.js';
import {
  compare,
  NOTHING,
  type Delivered,
  type Fetched,
  type Host,
  type Report,
  type State,
} from './state.js';
import { step, type DeliveryStep } from './step.js';

/** An agent that began anew, or gave up waiting, may hand over a second one before the first is verified. */
const HANDED_OVER_AT_ONCE = 2;

export function hostSteps(state: State, mistake?: Mistake): DeliveryStep[] {
  const { host } = state;
  const with_ = (changed: Partial<Host>, rest: Partial<State> = {}): State => ({
    ...state,
    ...rest,
    host: { ...host, ...changed },
  });
  const all: DeliveryStep[] = [];
  const report = reports(state, mistake);
  if (report)
    all.push(step('host reports', with_({ sequence: report.sequence }, { inbox: report })));
  const offered = offer(state, mistake);
  // What will be refused is fetched again and again, and nothing waits for it.
  if (offered)
    all.push(
      step(
        'host fetches',
        with_(fetched(host, offered, mistake), { nudged: false }),
        offered.signed,
      ),
    );
  const [first] = host.fetched;
  if (host.staged === undefined) {
    if (first) all.push(step('host verifies', with_(verified(state, first, mistake))));
  } else if (host.swapped) all.push(step('host reads back', with_(readBack(host, host.staged))));
  else all.push(step('host swaps', with_({ swapped: true, inKernel: host.staged.content })));
  return all;
}

/** What is in Redis, where the agent would hand it over. */
function offer({ host, redis, nudged }: State, mistake?: Mistake): Delivered | undefined {
  const mayFetch = nudged || mistake !== 'the nudge is the guarantee: no check at intervals';
  const isBusy = host.staged !== undefined || host.fetched.length === HANDED_OVER_AT_ONCE;
  if (!redis || !mayFetch || isBusy || !isNews(host, redis, mistake)) return undefined;
  const known = [...host.fetched.map(({ order }) => order), host.refused];
  return known.some((order) => order && compare(order, redis.order) === 0) ? undefined : redis;
}

function fetched(host: Host, offered: Delivered, mistake?: Mistake): Partial<Host> {
  const isOfThen = mistake === 'compare with the highest seen as it was before the fetch';
  const one = isOfThen ? { ...offered, seenBefore: host.seen } : offered;
  const isSeen = mistake === 'count as seen what was fetched and not verified';
  return { fetched: [...host.fetched, one], ...(isSeen ? { seen: offered.order } : {}) };
}

function verified({ host, redis }: State, first: Fetched, mistake?: Mistake): Partial<Host> {
  const left = host.fetched.slice(1);
  if (!accepts(host, first, mistake)) {
    const isKnown = mistake === 'know by its order what was refused' && !first.signed;
    return { fetched: left, ...(isKnown ? { refused: first.order } : {}) };
  }
  const isReadAgain = mistake === 'take what is in Redis after another one was verified';
  const { order, content, signed } = (isReadAgain ? redis : undefined) ?? first;
  return { fetched: left, staged: { order, content, signed }, seen: order };
}

/** The sensor's judgement, which does not depend on the agent's. */
export function accepts(host: Host, one: Fetched, mistake?: Mistake): boolean {
  const isTrusted = one.signed || mistake === 'take an epoch that no root signed';
  return isTrusted && isNews(host, one, mistake);
}

/** Whether the host would take this if it is signed. */
function isNews(host: Host, { order, seenBefore }: Fetched, mistake?: Mistake): boolean {
  const isInForce = host.applied !== undefined && compare(order, host.applied.order) === 0;
  if (mistake === 'take what is not newer than what was seen') return !isInForce;
  const compared = compare(order, seenBefore ?? host.seen);
  if (compared !== 0) return compared > 0;
  const takesAgain = mistake !== 'take no assignment that was accepted and not applied';
  return takesAgain && !host.fellBack && !isInForce;
}

function readBack(host: Host, staged: Delivered): Partial<Host> {
  const { applied: lastGood } = host;
  return { applied: staged, lastGood, staged: undefined, swapped: false, fellBack: false };
}

/** A host reports until what it last said is what the control plane has. */
function reports({ host, inbox, status }: State, mistake?: Mistake): Report | undefined {
  const saysSeen = mistake === 'report the highest seen, not what is applied';
  const isEarly = mistake === 'ack before read-back' && host.staged !== undefined;
  const { seen } = host;
  const applied = host.applied?.order ?? NOTHING;
  const order = saysSeen || isEarly ? seen : applied;
  if (seen[0] === 0 && order[0] === 0) return undefined;
  const proved = compare(order, applied) === 0;
  const report = { order, seen, fellBack: host.fellBack && !saysSeen, proved };
  const isSaid = [inbox, status].some(
    (said) => said?.sequence === host.sequence && isSame(said, report),
  );
  return isSaid ? undefined : { sequence: host.sequence + 1, ...report };
}

const isSame = (a: Omit<Report, 'sequence'>, b: Omit<Report, 'sequence'>): boolean =>
  compare(a.order, b.order) === 0 && compare(a.seen, b.seen) === 0 && a.fellBack === b.fellBack;
