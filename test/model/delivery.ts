import { canonicalKey } from './canonical.js';
import type { Model } from './explore.js';
import type { Mistake } from './mistakes.js';
import {
  commitName,
  compare,
  hasNewest,
  initial,
  isGreater,
  isRevoked,
  type Bounds,
  type State,
} from './state.js';
import { REPLAY, steps } from './steps.js';

/** The delivery, of that many commits and faults, and with one mistake in it. */
export function deliveryModel(bounds: Bounds, mistake?: Mistake): Model<State> {
  return {
    first: initial(bounds),
    keyOf: canonicalKey,
    steps: (state) => steps(state, bounds, mistake),
    brokenBy,
    brokenAtRest,
  };
}

function brokenBy(before: State, after: State, name: string): string | undefined {
  const { host } = after;
  const { applied } = host;
  if (
    applied &&
    !after.committed.includes(commitName(applied.order[0], applied.order[1], applied.content))
  )
    return 'a host enforces what was not committed';
  if (compare(host.seen, before.host.seen) < 0) return 'the highest seen went back';
  const hadApplied = before.host.applied;
  const wentBack = applied && hadApplied && compare(applied.order, hadApplied.order) < 0;
  if (wentBack && name !== 'the host falls back') return 'a host went back without a fallback';
  const was = before.redis;
  const wentBackThere =
    was?.signed && after.redis?.signed && isGreater(was.order, after.redis.order);
  if (wentBackThere && name !== REPLAY) return 'an older assignment was written over a newer one';
  if (isGivenSomething(after)) return 'a host that was revoked was given something new';
  const { status } = after;
  if (status && !status.proved) return 'enforced was said of what was never read back';
  if (status && before.status && status.sequence < before.status.sequence)
    return 'what the control plane believes went back';
  return undefined;
}

/** Before that is what was on its way, and what an owner of Redis has kept. */
function isGivenSomething({ epoch, log, redis }: State): boolean {
  const revokedAt = log.findIndex(isRevoked);
  const isOfNow = redis?.signed === true && redis.order[0] === epoch;
  return revokedAt !== -1 && isOfNow && redis.order[1] >= revokedAt;
}

function brokenAtRest(state: State): string | undefined {
  const { host, generation, status, log, redis } = state;
  if (generation === 0) return undefined;
  if (isRevoked(log[generation]))
    return redis && 'at rest there is something for a host that was revoked';
  if (!hasNewest(state) && !host.fellBack) return 'at rest a host has not the newest commit';
  if (host.inKernel !== host.applied?.content)
    return 'at rest the kernel has something else than is applied';
  const isTold =
    String(status?.order) === String(host.applied.order) && status?.fellBack === host.fellBack;
  return isTold ? undefined : 'at rest the status is not what the host has';
}
