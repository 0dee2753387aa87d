import { beforeEach, describe, expect, it } from '@jest/globals';
import { PeerOwnedQueue } from './peer-owned-queue.js';

describe('a host that another replica is to write for', () => {
  let nowMs: number;
  let peerOwned: PeerOwnedQueue;
  beforeEach(() => {
    nowMs = 0;
    peerOwned = new PeerOwnedQueue(() => nowMs);
  });

  /** When it was looked for in vain, until its owner was late. */
  const looks = (): number[] => {
    const all: number[] = [];
    for (; !peerOwned.isLate('host'); nowMs += 50)
      if (peerOwned.isTime('host')) {
        all.push(nowMs);
        peerOwned.missed('host');
      }
    return all;
  };

  it('is looked for ten times in two seconds', () => {
    peerOwned.begin('host');
    expect(looks()).toEqual([100, 300, 500, 700, 900, 1100, 1300, 1500, 1700, 1900]);
  });

  it('is looked for ten times in ten seconds where it has what is to be there', () => {
    peerOwned.beginPatiently('host');
    expect(looks()).toEqual([1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000]);
  });

  it('is looked for once where it was its owner that went', () => {
    peerOwned.lookOnce('host');
    expect(looks()).toEqual([0]);
  });
});
