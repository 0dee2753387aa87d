/** What a host can be asked to watch. Mirror: enum hw_sense_class of hostward-sense.h, in this order. */
export const VISIBILITY_CLASSES = ['process', 'file', 'network', 'capabilities', 'dns'] as const;
export type VisibilityClass = (typeof VISIBILITY_CLASSES)[number];

/** Labels of a host with this prefix say what it watches: `visibility.hostward.io/network: on`. */
const PREFIX = 'visibility.hostward.io/';

/** What a host with these labels watches, in the order of the classes; nothing unless it is said. */
export function visibilityOf(labels: Readonly<Record<string, string>>): readonly VisibilityClass[] {
  return VISIBILITY_CLASSES.filter(
    (each) => Object.hasOwn(labels, PREFIX + each) && labels[PREFIX + each] === 'on',
  );
}

/** Why a label with our prefix says nothing; undefined for one that does, and for every other label. */
export function visibilityFault(key: string, value: string): string | undefined {
  if (!key.startsWith(PREFIX)) return undefined;
  const known = VISIBILITY_CLASSES.some((each) => key === PREFIX + each);
  if (known && (value === 'on' || value === 'off')) return undefined;
  return `${PREFIX} goes with ${VISIBILITY_CLASSES.join(', ')}, and with on or off`;
}
