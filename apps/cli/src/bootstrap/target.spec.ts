import { userInfo } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../output/errors.js';
import { checkedTargets, parseInventory, parseTarget } from './target.js';

describe('a target', () => {
  it.each([
    ['root@web1', { user: 'root', host: 'web1', port: 22 }],
    ['web1:2222', { user: userInfo().username, host: 'web1', port: 2222 }],
    ['me@[2001:db8::1]', { user: 'me', host: '2001:db8::1', port: 22 }],
    ['me@[2001:db8::1]:22022', { user: 'me', host: '2001:db8::1', port: 22022 }],
  ])('%s is read', (text, expected) => {
    expect(parseTarget(text)).toMatchObject({ ...expected, text });
  });

  it.each([
    '',
    'a b',
    'root@',
    '@web1',
    'web1:0',
    'web1:70000',
    '-oProxyCommand=x',
    'me@-x',
    'a@b@c',
  ])('"%s" is refused with the form', (text) =>
    expect(() => parseTarget(text)).toThrow(UsageError),
  );
});

describe('an inventory', () => {
  it('has a host a line, with a name or without, and comments', () => {
    const text = '# all\nroot@web1 name=one # first\n\n  web2:2222\n';
    expect(parseInventory(text, 'hosts')).toEqual([
      expect.objectContaining({ host: 'web1', name: 'one' }),
      expect.objectContaining({ host: 'web2', port: 2222 }),
    ]);
  });

  it('names file and line of what it does not know', () => {
    expect(() => parseInventory('web1\nweb2 labels=x\n', 'hosts')).toThrow(/hosts:2: "labels=x"/);
  });
});

describe('targets', () => {
  it('are none, or one place or name twice: refused', () => {
    expect(() => checkedTargets([])).toThrow(UsageError);
    const twice = [parseTarget('a@web1'), parseTarget('b@WEB1:22')];
    expect(() => checkedTargets(twice)).toThrow(/named twice/);
    const named = [parseTarget('web1', 'x'), parseTarget('web2', 'x')];
    expect(() => checkedTargets(named)).toThrow(/name=x is named twice/);
  });
});
