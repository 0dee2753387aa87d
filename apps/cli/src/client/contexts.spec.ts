import { describe, expect, it } from '@jest/globals';
import { withContext } from './contexts.js';

const context = (dataDir: string, token = 't') => ({ url: 'https://a:1', token, dataDir });

describe('the context that up writes', () => {
  it('is named after the data folder and is the current one', () => {
    expect(withContext({ contexts: {} }, context('/srv/.hostward'))).toEqual({
      current: 'hostward',
      contexts: { hostward: context('/srv/.hostward') },
    });
  });

  it('takes no place of another control plane, also of one that was written by hand', () => {
    const hand = { url: 'https://b:1', token: 'u' };
    const known = { current: 'data', contexts: { data: hand } };
    const first = withContext(known, context('/a/data'));
    expect(first.current).toBe('data-2');
    const second = withContext(first, context('/b/data'));
    expect(second.current).toBe('data-3');
    expect(Object.keys(second.contexts)).toEqual(['data', 'data-2', 'data-3']);
    expect(second.contexts['data']).toEqual(hand);
  });

  it('replaces that of the same folder, whose control plane is gone', () => {
    const known = withContext({ contexts: {} }, context('/a/data', 'old'));
    expect(withContext(known, context('/a/data', 'new')).contexts).toEqual({
      data: context('/a/data', 'new'),
    });
  });
});
