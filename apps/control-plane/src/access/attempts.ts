import { isIPv6 } from 'node:net';
import { RateLimit } from './rate-limit.js';

const MAX_KNOWN = 10_000;

/**
 * Slows guessing: by account and source together, by source alone, and by account alone. The last is generous, so that
 * a stranger who guesses at a name can hardly keep its owner out. In memory, of bounded size.
 */
export class Attempts {
  readonly #pair = new RateLimit({ burst: 5, refillMs: 30_000, maxCallers: MAX_KNOWN });
  readonly #source = new RateLimit({ burst: 20, refillMs: 6_000, maxCallers: MAX_KNOWN });
  readonly #account = new RateLimit({ burst: 100, refillMs: 6_000, maxCallers: MAX_KNOWN });

  /** Counts a try beforehand, so that many at once gain nothing; answers ms to wait, 0 where it may go on. */
  take(account: string, source: string, nowMs: number): number {
    const near = networkOf(source);
    // One after the other: what the first refuses is no try of the account, which one place could use up otherwise.
    return (
      this.#pair.take(`${account} ${near}`, nowMs) ||
      this.#source.take(near, nowMs) ||
      this.#account.take(account, nowMs)
    );
  }

  /** Gives a try back that was right. */
  right(account: string, source: string, nowMs: number): void {
    const near = networkOf(source);
    this.#pair.give(`${account} ${near}`, nowMs);
    this.#source.give(near, nowMs);
    this.#account.give(account, nowMs);
  }
}

/** Whom one holds responsible: an IPv4 address, or the /64 of an IPv6 one, of which one machine has them all. */
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
