import type { RuleStatus } from '#contracts';
import type { RuleReference, RuleReport } from '#policy-compiler';
import type { ProbeState, SensorState } from '#sensor';
import { deviceStatus } from './device-status.js';

/**
 * What may be said of one rule: no more than what was read back from the kernel, and less where a probe contradicts
 * (D10). `policy` is the rule's; `references` are all rules by their index in the report.
 */
export function ruleStatus(
  policy: string,
  rule: RuleReport,
  state: SensorState,
  references: readonly RuleReference[] = [],
): RuleStatus {
  const { id, plan, reason } = rule;
  switch (plan) {
    case 'unsupported':
    case 'failed':
    case 'refused':
      return withReason({ id, state: plan }, reason);
    case 'overruled':
      return withReason(overruledStatus(id, state), reason);
    case 'audit':
    case 'enforce':
      if (rule.class === 'device') return deviceStatus(policy, rule, state, references);
      return withReason(
        plan === 'audit' ? auditStatus(id, state) : enforceStatus(policy, id, state),
        reason,
      );
  }
}

function enforceStatus(policy: string, id: string, state: SensorState): RuleStatus {
  const obstacle = obstacleOf(state);
  if (obstacle !== undefined) return { id, ...obstacle };
  if (state.mode !== 'enforce')
    return { id, state: 'delivered', reason: `suspended: the host is in mode ${state.mode}` };
  const probes = state.probes.filter((probe) => isProbeOf(probe, policy, id));
  const allowed = probes.find((probe) => probe.result === 'allowed');
  if (allowed !== undefined)
    return {
      id,
      state: 'failed',
      reason: `${article(allowed.kind)} of ${allowed.path} was not blocked`,
    };
  if (probes.some(isAwaited))
    return { id, state: 'delivered', reason: 'its block is being proved' };
  if (state.coverage.awaited === true)
    return { id, state: 'delivered', reason: 'who has open what it refuses is being looked for' };
  const proved = probes.some((probe) => probe.result === 'blocked');
  const enforced = { id, state: 'enforced', proof: proved ? 'probe' : 'read-back' } as const;
  // With audit=0 on the kernel's command line there is no such record; BPF tells by itself.
  const isDeaf = state.enforcer === 'apparmor' && !state.auditListening;
  return isDeaf ? { ...enforced, reason: UNTOLD } : enforced;
}

const UNTOLD =
  'its denials are told to nobody: the audit records of the kernel are not being read (is audit=0 on its command line?)';

function auditStatus(id: string, state: SensorState): RuleStatus {
  const obstacle = obstacleOf(state);
  if (obstacle !== undefined) return { id, ...obstacle };
  if (state.mode === 'off')
    return { id, state: 'delivered', reason: 'suspended: the host is in mode off' };
  if (state.auditListening) return { id, state: 'audited', proof: 'read-back' };
  return {
    id,
    state: 'delivered',
    reason: 'the audit records of the kernel are not being read, so nothing would be told',
  };
}

/** Mirror of libs/sensor/native/src/enforce.c: with these, profiles that are as they were compiled refuse nothing. */
const NOTHING_IN_FORCE: ReadonlySet<string> = new Set(['load-failed', 'apparmor-lets-pass']);

/** It will never be more than delivered; that it is no less, and there is nothing to wait for, its proof says. */
function overruledStatus(id: string, state: SensorState): RuleStatus {
  const isInForce = obstacleOf(state) === undefined && state.mode === 'enforce';
  return { id, state: 'delivered', ...(isInForce && { proof: 'read-back' }) };
}

/** Why nothing of the rule set is in force, whatever its plan. */
function obstacleOf(state: SensorState): Pick<RuleStatus, 'state' | 'reason'> | undefined {
  if (state.enforcer === 'none') return { state: 'failed', reason: 'this host has no enforcer' };
  // What was read back before a load that failed is about another mode or rule set than the one that is wanted.
  if (!state.outcome.ok && NOTHING_IN_FORCE.has(state.outcome.code ?? ''))
    return { state: 'failed', reason: state.outcome.message ?? 'the profiles could not be loaded' };
  if (state.profiles.length === 0) {
    return {
      state: 'delivered',
      reason: state.outcome.message ?? 'no profile of ours is loaded yet',
    };
  }
  const broken = state.profiles.find((profile) => !profile.ok);
  if (broken === undefined) return undefined;
  const found = broken.loaded
    ? `is loaded in mode ${broken.mode}, not as it was compiled`
    : 'is not loaded';
  return { state: 'failed', reason: `profile ${broken.name} ${found}${outcomeOf(state)}` };
}

function outcomeOf({ outcome }: SensorState): string {
  return outcome.ok || outcome.message === undefined ? '' : `: ${outcome.message}`;
}

/** Mirror of what apps/compiler writes into a probe to name its rule. */
function isProbeOf(probe: ProbeState, policy: string, id: string): boolean {
  return probe.rule === `${policy}/${id}`;
}

/** EINPROGRESS of Linux: mirror of libs/sensor/native/src/state.c. */
const IN_PROGRESS = 115;

/** Loaded and read back, but the attempt that shows whether it blocks is still to come. */
function isAwaited({ result, errno }: ProbeState): boolean {
  return result === 'inconclusive' && errno === IN_PROGRESS;
}

/** A reason of the compiler's stays, also beside `enforced`: it names what is covered only in part. */
function withReason(status: RuleStatus, reason: string | undefined): RuleStatus {
  return status.reason === undefined && reason !== undefined ? { ...status, reason } : status;
}

function article(kind: ProbeState['kind']): string {
  return kind === 'exec' ? 'an exec' : `a ${kind}`;
}
