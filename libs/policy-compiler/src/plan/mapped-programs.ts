import { overlap } from './conflicts.js';
import { parseGlob } from '../resolve/glob.js';
import { covers, intersection } from '../resolve/objects.js';
import type { Placed } from './rule-entries.js';

/**
 * What Allows of programs need besides, where they stand over a Block of some. One of directories with libraries says
 * nothing of mapping (m), lest it opens what file rules deny; a Block of programs alone denies their mapping too. The
 * program would be started, and its loader refused. So of what both name the Allow has the mapping as well, but where a
 * weaker file rule may deny it. `others`: what binds the same subject, and has been through this.
 */
export function mappedPrograms(
  own: readonly Placed[],
  others: readonly Placed[],
): readonly Placed[] {
  const all = [...others, ...own];
  const files = all.filter(isFileDenial);
  const shared = [
    ...own.filter(isWideAllow).flatMap((allow) => partsOver(allow, all)),
    ...others.filter(isWideAllow).flatMap((allow) => partsOver(allow, own)),
  ];
  return shared.filter((part) => !files.some((deny) => isOver(part, deny)));
}

function partsOver(allow: Placed, entries: readonly Placed[]): readonly Placed[] {
  return entries
    .filter((entry) => isProgramDenial(entry) && isOver(allow, entry))
    .flatMap((deny) => sharedPart(allow, deny));
}

/** With the exec too, which it has anyway: so one entry leaves nothing of a Block that is all within the Allow. */
function sharedPart(allow: Placed, deny: Placed): readonly Placed[] {
  const whole = { ...allow, perms: 'xm' };
  if (covers(allow.object, deny.object))
    return [{ ...whole, glob: deny.glob, object: deny.object }];
  const globs = intersection(allow.object, deny.object);
  if (globs === undefined) return [whole];
  return globs.map((glob) => ({
    ...whole,
    glob,
    object: { type: 'pattern', glob: parseGlob(glob) },
  }));
}

function isWideAllow({ effect, perms }: Placed): boolean {
  return effect === 'allow' && perms === 'x';
}

function isProgramDenial({ effect, perms }: Placed): boolean {
  return effect === 'deny' && perms.includes('m') && !perms.includes('r');
}

/** A file rule that denies mapping denies reading. */
function isFileDenial({ effect, perms }: Placed): boolean {
  return effect === 'deny' && perms.includes('m') && perms.includes('r');
}

function isOver(allow: Placed, deny: Placed): boolean {
  return deny.rank < allow.rank && overlap(allow, deny);
}
