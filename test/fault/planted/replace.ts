/** Puts what `make` makes of a method in its place. */
export function replace<T, K extends keyof T>(of: T, name: K, make: (shipped: T[K]) => T[K]): void {
  of[name] = make(of[name]);
}
