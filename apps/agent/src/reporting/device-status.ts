import type { RuleStatus } from '#contracts';
import type { RuleReference, RuleReport } from '#policy-compiler';
import type { SensorState, SparedDevice } from '#sensor';

/**
 * What may be said of a rule about USB devices, which the sensor itself enforces: no more than what it read back of the
 * bus. `references` are the rules by the index that the sensor knows them by.
 */
export function deviceStatus(
  policy: string,
  { id, plan, reason }: RuleReport,
  state: SensorState,
  references: readonly RuleReference[],
): RuleStatus {
  const obstacle = obstacleOf(state, plan === 'audit');
  if (obstacle !== undefined) return { id, ...obstacle };
  const spared = (state.devices?.spared ?? []).filter(({ rule }) =>
    isRule(references[rule], policy, id),
  );
  if (spared.length > 0) return { id, state: 'failed', reason: spared.map(words).join('; ') };
  const told = reason ?? (state.devices?.bus === false ? NO_BUS : undefined);
  const because = told === undefined ? {} : { reason: told };
  return { id, state: plan === 'audit' ? 'audited' : 'enforced', proof: 'read-back', ...because };
}

const NO_BUS = 'this host has no USB bus now; it holds as soon as there is one';

function obstacleOf(
  { devices, mode }: SensorState,
  audits: boolean,
): Pick<RuleStatus, 'state' | 'reason'> | undefined {
  if (devices === undefined)
    return { state: 'delivered', reason: 'the sensor has no rules about devices in force yet' };
  if (mode === 'off' || (mode === 'audit' && !audits))
    return { state: 'delivered', reason: `suspended: the host is in mode ${mode}` };
  if (devices.fault !== undefined) return { state: 'failed', reason: devices.fault };
  return devices.listening
    ? undefined
    : { state: 'failed', reason: 'the kernel does not tell of devices that come' };
}

function isRule(reference: RuleReference | undefined, policy: string, id: string): boolean {
  return reference?.policy === policy && reference.rule === id;
}

function words({ device, reason }: SparedDevice): string {
  return `${device} stays in use: ${reason}`;
}
