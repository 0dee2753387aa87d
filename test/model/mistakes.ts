/** Mistakes that an implementation could make, and as what each must be found by the exploration. */
export const MISTAKES = {
  'the nudge is the guarantee: no check at intervals': 'at rest a host has not the newest commit',
  'write without the greater-than check': 'an older assignment was written over a newer one',
  'generation from the puts alone, so that a deletion has none':
    'a host enforces what was not committed',
  'resume a watch at the revision of the header': 'a host enforces what was not committed',
  'forget a deletion': 'at rest a host has not the newest commit',
  'serve hosts that were revoked': 'a host that was revoked was given something new',
  'ack before read-back': 'enforced was said of what was never read back',
  'keep the highest seen in memory alone': 'the highest seen went back',
  'lower the highest seen on fallback': 'the highest seen went back',
  'take what is in Redis after another one was verified': 'a host enforces what was not committed',
  'compare with the highest seen as it was before the fetch': 'the highest seen went back',
  'count as seen what was fetched and not verified': 'it never comes to rest',
  'know by its order what was refused': 'at rest a host has not the newest commit',
  'take no assignment that was accepted and not applied':
    'at rest a host has not the newest commit',
  'take what is not newer than what was seen': 'the highest seen went back',
  'take an epoch that no root signed': 'a host enforces what was not committed',
  'take reports whatever their sequence': 'what the control plane believes went back',
  'report the highest seen, not what is applied': 'enforced was said of what was never read back',
  'publish on after a restore': 'at rest a host has not the newest commit',
  'write again what was lost, whatever the host has had since':
    'at rest a host has not the newest commit',
} as const;
export type Mistake = keyof typeof MISTAKES;
