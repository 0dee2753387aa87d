/**
 * The shortest spelling of a path that names the same file on every host: `//` and `/./` never occur in what a kernel
 * reports. `..` stays, since what it leads to depends on symlinks; validation warns that it never matches.
 */
export function shortestPath(path: string): string {
  return path.replaceAll(/\/(?:\.?\/)+/g, '/');
}

/** The same for a directory, with the slash at its end. */
export function directoryOf(path: string): string {
  return shortestPath(`${path}/`);
}
