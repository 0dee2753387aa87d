/**
 * What `find` says of a list, worked out once for each: as long as nothing in the fleet changes, a shelf gives the same
 * list, so that what is asked every second does not cost a look at all hosts.
 */
export function onceFor<T extends object, R>(find: (list: T) => R): (list: T) => R {
  const known = new WeakMap<T, { readonly found: R }>();
  return (list) => {
    const { found } = known.get(list) ?? { found: find(list) };
    known.set(list, { found });
    return found;
  };
}
