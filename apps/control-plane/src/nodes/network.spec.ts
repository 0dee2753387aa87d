import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '../http/index.js';
import { checkedCidrs, isWithin, peerOf, sourceOf } from './network.js';

describe('networks of a join token', () => {
  it.each<[string, string, boolean]>([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.1.2.3', '10.0.0.0/8', false],
    ['10.0.0.5', '10.0.0.5/32', true],
    ['10.0.0.6', '10.0.0.5/32', false],
    ['192.0.2.1', '0.0.0.0/0', true],
    ['2001:db8::1', '0.0.0.0/0', false],
    ['2001:db8:ffff::1', '2001:db8::/32', true],
    ['2001:db9::1', '2001:db8::/32', false],
    ['192.0.2.1', '::/0', false],
    ['::1', '::1/128', true],
    ['nonsense', '::/0', false],
  ])('%s in %s: %s', (peer, cidr, within) => {
    expect(isWithin(peer, [cidr])).toBe(within);
  });

  it('are kept as networks, an address as one of its own', () => {
    const written = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'];
    const kept = ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32', '::1/128'];
    expect(checkedCidrs(written)).toEqual(kept);
  });

  it.each([
    ['10.0.0.0/33'],
    ['::/129'],
    ['10.0.0/8'],
    ['web1'],
    ['10.0.0.0/'],
    ['fe80::1%eth0/64'],
    [''],
  ])('%j is none', (written) => {
    expect(() => checkedCidrs([written])).toThrow(ProblemError);
  });

  it('are refused where they are no text', () => {
    for (const written of [1, null, {}, ['10.0.0.0/8']])
      expect(() => checkedCidrs([written])).toThrow(ProblemError);
  });
});

describe('who comes in', () => {
  it('is an IPv4 address also over IPv6', () => {
    expect(peerOf('::ffff:10.1.2.3')).toBe('10.1.2.3');
    expect(peerOf('2001:db8::1')).toBe('2001:db8::1');
  });

  it('is counted by address, over IPv6 by its /64', () => {
    expect(sourceOf('10.1.2.3')).toBe('10.1.2.3');
    expect(sourceOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
    expect(sourceOf('2001:db8::1')).toBe('2001:db8:0:0::/64');
    expect(sourceOf('::1')).toBe('0:0:0:0::/64');
    expect(sourceOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
  });
});
