import { describe, expect, it } from '@jest/globals';
import { isForked, keepHead, type SeenHead } from './audit-log-heads.js';

const head = (seq: number, mark = 'a'): SeenHead => ({
  head: { v: 1, seq, hash: mark.repeat(64), at: seq },
  signed: { payloadType: '', payload: '', signatures: [] },
});
const after = (...heads: SeenHead[]) => heads.reduce(keepHead, [] as readonly SeenHead[]);
const numbers = (seen: readonly SeenHead[]) => seen.map(({ head: { seq } }) => seq);

describe('what a host keeps of the heads of the audit log', () => {
  it('is the greatest, and none that came later and is smaller', () => {
    expect(numbers(after(head(3), head(9), head(4), head(9)))).toEqual([3, 9]);
  });

  it('is bounded, with the first, the last, and more of the newer ones than of the older', () => {
    const all = Array.from({ length: 5_000 }, (_, index) => head(index + 1));
    const kept = numbers(after(...all));
    expect([kept.length, kept[0], kept.at(-1)]).toEqual([6, 1, 5_000]);
    const gaps = kept.slice(1).map((seq, index) => seq - (kept[index] ?? 0));
    expect(gaps.at(-1)).toBeLessThan(gaps[0] ?? 0);
    expect(kept.filter((seq) => seq > 2_500).length).toBeGreaterThan(1);
  });

  it('is both of two heads with one number, which no audit log has, and once only', () => {
    const forked = after(head(1), head(5), head(5, 'b'), head(5, 'c'));
    expect(numbers(forked)).toEqual([1, 5, 5]);
    expect(isForked(forked)).toBe(true);
    expect(isForked(after(head(1), head(5)))).toBe(false);
  });

  it('holds on to that proof, however many come after', () => {
    const more = Array.from({ length: 300 }, (_, index) => head(index + 6));
    const seen = [...after(head(1), head(5), head(5, 'b'), head(5, 'c')), ...more];
    const kept = after(...seen);
    expect([isForked(kept), kept.length]).toEqual([true, 6]);
  });
});
