/** A whole number with its thousands apart: `9,998`. */
export function counted(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 host`, `3 hosts`, `10,000 hosts`. */
export function hosts(count: number): string {
  return count === 1 ? '1 host' : `${counted(count)} hosts`;
}
