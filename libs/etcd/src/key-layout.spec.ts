import { describe, expect, it } from '@jest/globals';
import { etcdKeys, internalKeys, prefixEnd } from './key-layout.js';

describe('the key layout', () => {
  it('takes no name that would reach into another key', () => {
    for (const name of ['', 'a/b', '../x', 'a\0', 'a\n']) {
      expect(() => etcdKeys.node(name)).toThrow(TypeError);
    }
  });

  it('ends the prefix of a name before the next name', () => {
    const end = prefixEnd(etcdKeys.history('web1'));
    expect(Buffer.from(etcdKeys.historyVersion('web1', 9_999_999_999)).compare(end)).toBe(-1);
    expect(Buffer.from(etcdKeys.historyVersion('web10', 1)).compare(end)).not.toBe(-1);
  });

  it('sorts versions by number', () => {
    expect(etcdKeys.historyVersion('p', 9) < etcdKeys.historyVersion('p', 10)).toBe(true);
  });

  it('keeps internal keys out of the root that is watched', () => {
    const internal = [internalKeys.staged, internalKeys.staging('x'), internalKeys.abort(0)];
    expect(internal.filter((key) => key.startsWith(etcdKeys.root))).toEqual([]);
  });
});
