import { RefusedError, verifyRestoration, type AuditLogPoint, type PublicKey } from '#bundle';
import type { AuditLogEntryView } from '#contracts';
import { CommandFailed } from '../output/errors.js';

/** The entry that tells of a restore which this operator confirmed: what was signed before it may be lost. */
export interface ConfirmedRestore extends AuditLogPoint {
  /** In ms since 1970. */
  readonly restoredAt: number;
}

/** The restore that an entry tells of, by the word of a believed key; undefined where it tells of none. */
export function restoreToldBy(
  { seq, hash, action, detail }: AuditLogEntryView,
  keys: readonly PublicKey[],
): ConfirmedRestore | undefined {
  if (action !== 'audit-log.restored') return undefined;
  try {
    const { restoredAt } = verifyRestoration(detail['restoration'], keys);
    return { seq, hash, restoredAt };
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

/** Whether what was seen is among what a confirmed restore lost: signed before it, under a number given again since. */
export function isLost(
  { seq, at }: { readonly seq: number; readonly at: number },
  confirmed: readonly ConfirmedRestore[],
): boolean {
  return confirmed.some((restore) => seq >= restore.seq && at <= restore.restoredAt);
}

/** What the operator confirms; throws CommandFailed where the entry tells of no restore. */
export function confirmed(
  entry: AuditLogEntryView | undefined,
  seq: number,
  keys: readonly PublicKey[],
): ConfirmedRestore {
  const restore = entry?.seq === seq ? restoreToldBy(entry, keys) : undefined;
  if (restore !== undefined) return restore;
  throw new CommandFailed(
    `entry ${seq} tells of no restore that the online key vouches for`,
    'without --restored it is said which entries do',
  );
}
