import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Division, ownerOf } from './division.js';

const HOSTS = Array.from({ length: 6_000 }, (_, index) =>
  createHash('sha256').update(String(index)).digest('hex'),
);
const REPLICAS = ['a', 'b', 'c'].map((name) =>
  createHash('sha256').update(name).digest('hex').slice(0, 16),
);
const [a = '', b = '', c = ''] = REPLICAS;

describe('dividing hosts over replicas', () => {
  it.each([2, 3])('gives each of %i about as many', (count) => {
    const replicas = REPLICAS.slice(0, count);
    const even = HOSTS.length / count;
    for (const replica of replicas) {
      const { length } = HOSTS.filter((host) => ownerOf(host, replicas) === replica);
      expect(Math.abs(length - even)).toBeLessThan(even * 0.1);
    }
  });

  it('moves only the hosts of a replica that leaves, to all who are left', () => {
    const moved = HOSTS.filter((host) => ownerOf(host, REPLICAS) !== ownerOf(host, [a, b]));
    expect(moved.every((host) => ownerOf(host, REPLICAS) === c)).toBe(true);
    expect(HOSTS.filter((host) => ownerOf(host, REPLICAS) === c)).toHaveLength(moved.length);
    const toA = moved.filter((host) => ownerOf(host, [a, b]) === a).length;
    expect(Math.abs(toA - moved.length / 2)).toBeLessThan(moved.length * 0.1);
  });

  it('does not depend on the order in which replicas are named', () => {
    const reversed = REPLICAS.toReversed();
    expect(HOSTS.every((host) => ownerOf(host, REPLICAS) === ownerOf(host, reversed))).toBe(true);
  });

  it('gives each host to exactly one', () => {
    const divisions = REPLICAS.map((self) => new Division(self, REPLICAS));
    for (const host of HOSTS)
      expect(divisions.filter((division) => division.owns(host))).toHaveLength(1);
  });

  it('gives all to one that is alone, in etcd or not yet, and none to one that others do not count', () => {
    expect(HOSTS.every((host) => new Division(a, []).owns(host))).toBe(true);
    expect(HOSTS.every((host) => new Division(a, [a]).owns(host))).toBe(true);
    expect(HOSTS.some((host) => new Division(a, [b]).owns(host))).toBe(false);
  });
});
