/** Mistakes that an implementation could make; each must be found by the exploration. */
export const MISTAKES = [
  'the nudge is the guarantee: no check at intervals',
  'write without the greater-than check',
  'generation from the puts alone, so that a deletion has none',
  'resume a watch at the revision of the header',
  'forget a deletion',
  'serve hosts that were revoked',
  'ack before read-back',
  'keep the highest seen in memory alone',
  'lower the highest seen on fallback',
  'take what is in Redis after another one was verified',
  'compare with the highest seen as it was before the fetch',
  'count as seen what was fetched and not verified',
  'know by its order what was refused',
  'take no assignment that was accepted and not applied',
  'take what is not newer than what was seen',
  'take an epoch that no root signed',
  'take reports whatever their sequence',
  'report the highest seen, not what is applied',
  'publish on after a restore',
  'write again what was lost, whatever the host has had since',
] as const;
export type Mistake = (typeof MISTAKES)[number];
