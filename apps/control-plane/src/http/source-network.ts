import { isIPv6 } from 'node:net';

/** The unit that rate limits count by: an IPv4 address, or the /64 of an IPv6 one, which one machine owns as a whole. */
export function networkOf(source: string): string {
  if (!isIPv6(source)) return source;
  const mapped = /^::ffff:([0-9.]+)$/i.exec(source)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = source.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
